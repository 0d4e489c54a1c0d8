"""PointDistiller's presets against a loop, and what a loss with learned graphs promises."""

import pytest
import torch
from local_graph_reference import DEFAULTS, PRESETS, reference, with_every_edge

from projects.SRKD.losses.pointdistiller import streamed_edges
from projects.SRKD.losses.pointdistiller.local_graph_loss import (
    LocalGraphLoss,
    PointCountLocalGraphLoss,
)
from projects.SRKD.ops import neighbors as neighbors_module


def build(name, num_anchors=6, num_neighbors=4, widths=(3, 4), seed=0):
    options = {**DEFAULTS, **PRESETS[name]}
    kind = PointCountLocalGraphLoss if options['count'] else LocalGraphLoss
    torch.manual_seed(seed)
    arguments = {key: value for key, value in options.items() if key != 'count'}
    loss = kind(*widths, num_anchors=num_anchors, num_neighbors=num_neighbors, **arguments)
    with torch.no_grad():
        for key, parameter in loss.named_parameters():
            if key.endswith(('scale', 'shift')):
                parameter.uniform_(0.2, 1)
    return loss.double()


def make(sizes, widths=(3, 4), seed=0, dtype=torch.float64):
    gen = torch.Generator().manual_seed(seed)
    batch = torch.cat([torch.full((n,), 3 * b) for b, n in enumerate(sizes)] or [torch.zeros(0)])
    batch = batch.long()[torch.randperm(len(batch), generator=gen)]
    return dict(
        student=torch.randn(len(batch), widths[0], generator=gen, dtype=torch.float64).to(dtype)
        .requires_grad_(),
        teacher=torch.randn(len(batch), widths[1], generator=gen, dtype=torch.float64).to(dtype),
        batch=batch,
        count=torch.randperm(40, generator=gen)[: len(batch)] / 8 + 1,
    )  # fmt: skip


def call(loss, fields, **changes):
    fields = {**fields, **changes}
    if not isinstance(loss, PointCountLocalGraphLoss):
        fields = {key: value for key, value in fields.items() if key != 'count'}
    return loss(**fields)


def widths_of(name):
    return (4, 4) if PRESETS[name].get('graph_channels', 5) is None else (3, 4)


@pytest.mark.parametrize('name', PRESETS)
@pytest.mark.parametrize('sizes', [[1], [2], [9], [3, 1, 12], [7, 8]])
def test_value_and_gradients_equal_the_loop(monkeypatch, name, sizes):
    monkeypatch.setattr(neighbors_module, 'MAX_DISTANCES', 20)  # several blocks of anchors
    loss = build(name, widths=widths_of(name))
    fields = make(sizes, widths_of(name))
    value, expected = call(loss, fields), reference(loss, name, **fields)
    torch.testing.assert_close(value, expected)
    learned = [fields['student'], *(p for p in loss.parameters() if p.requires_grad)]
    for gradients in zip(*(torch.autograd.grad(each, learned) for each in (value, expected))):
        torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-6)


@pytest.mark.parametrize('guard', ['frozen', 'normalized', 'none'])
@pytest.mark.parametrize('edge', ['concat', 'sub'])
@pytest.mark.parametrize('weights', ['SoftmaxWeights', 'GraphWeights', 'InertWeights', None])
@pytest.mark.parametrize('across_samples', [False, True])
@pytest.mark.parametrize('sizes', [[1], [40], [9, 3, 30]])  # fewer and more than N and K
def test_streaming_equals_building_every_edge(
    monkeypatch, guard, edge, weights, across_samples, sizes
):
    monkeypatch.setattr(streamed_edges, 'MAX_VALUES', 100)  # several blocks of edges
    torch.manual_seed(1)
    loss = LocalGraphLoss(
        3,
        4,
        5,
        12,
        7,
        edge=edge,
        across_samples=across_samples,
        guard=guard,
        loss_weight=2.0,
        weights=weights and dict(type=weights),
    ).double()
    fields = {key: field for key, field in make(sizes).items() if key != 'count'}
    value, expected = loss(**fields), with_every_edge(loss, **fields)
    torch.testing.assert_close(value, expected)
    learned = [fields['student'], *(p for p in loss.parameters() if p.requires_grad)]
    assert len(learned) == {'frozen': 4, 'normalized': 3, 'none': 7}[guard]
    for gradients in zip(*(torch.autograd.grad(each, learned) for each in (value, expected))):
        torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-6)


def test_anchors_beyond_a_small_sample_do_not_move_to_a_large_one():
    loss, fields = build('fixed', num_anchors=5), make([2, 20])
    sets = loss._neighbors(fields['teacher'], fields['batch'], fields['count'])
    assert [tuple(rows.shape) for rows in sets] == [(2, 2), (5, 4)]


@pytest.mark.parametrize('name', ['fixed', 'released, pillars', 'released, maps'])
def test_rows_without_a_sample_are_left_out(name):
    loss, fields = build(name), make([6, 5])
    kept = torch.arange(11) % 3 > 0
    value = call(loss, {**fields, 'batch': torch.where(kept, fields['batch'], -1)})
    torch.testing.assert_close(
        value, call(loss, {key: field[kept] for key, field in fields.items()})
    )


def test_temperature_is_honored_and_reweighting_is_alive():
    fields = make([12, 12])
    values = {}
    for temperature in (0.02, 0.1, 1e6):
        loss = build('fixed')
        loss.weights.temperature = temperature
        values[temperature] = call(loss, fields)
    assert len({round(value.item(), 6) for value in values.values()}) == 3
    even = build('fixed')
    even.weights = None
    torch.testing.assert_close(values[1e6], call(even, fields), rtol=1e-5, atol=0)


def test_number_of_anchors_and_neighbors_is_honored():
    fields = make([10, 10], (4, 4))
    for anchors, around in ((1, 1), (2, 3)):
        loss = build('no graphs', anchors, around, widths=(4, 4))
        (grad,) = torch.autograd.grad(call(loss, fields), fields['student'])
        touched = (grad.abs().sum(dim=1) > 0).sum()
        assert 2 * around <= touched <= 2 * anchors * around


def test_released_reweighting_on_maps_only_multiplies_by_the_batch_size():
    fields = make([8, 8, 8])
    inert, plain = build('released, maps'), build('released, points')
    torch.testing.assert_close(call(inert, fields), 3 * call(plain, fields))


def test_released_pillars_mix_the_samples_and_ours_do_not():
    fields = make([9, 9])
    loss = build('fixed')
    for across in (False, True):
        loss.across_samples = across
        sets = loss._neighbors(fields['teacher'], fields['batch'], fields['count'])
        mixed = [len(set(row)) > 1 for found in sets for row in fields['batch'][found].tolist()]
        assert any(mixed) is across and sum(map(len, sets)) == (6 if across else 12)


def test_importance_may_be_given():
    fields = make([9, 9])
    loss = build('fixed')
    given = {key: fields[key] for key in ('student', 'teacher', 'batch')}
    count = loss.compare(**given, importance=fields['count'])
    torch.testing.assert_close(count, reference(loss, 'fixed, minmax counts', **fields))
    peak = loss.compare(**given, importance=fields['teacher'].amax(dim=1))
    torch.testing.assert_close(peak, call(loss, fields))


def test_term_builds_and_reads_it_as_it_is():
    pytest.importorskip('mmdet3d')
    from projects.SRKD.distill.matched_points import MatchedPoints
    from projects.SRKD.distill.terms import DistillTerm

    options = dict(student_channels=3, teacher_channels=4, num_anchors=6, num_neighbors=4)
    term = DistillTerm('backbone', dict(type=LocalGraphLoss, **options), widths=(3, 4))
    fields = make([9, 5], dtype=torch.float32)
    del fields['count']
    pair = MatchedPoints(coord=torch.zeros(14, 3), **fields)
    value = term(pair)
    torch.testing.assert_close(value, term.loss(**fields))
    value.backward()
    assert fields['student'].grad.abs().max() > 0 and term.idle(torch.zeros(())) == 0
    plain = dict(type=LocalGraphLoss, graph_channels=None)
    with pytest.raises(ValueError, match='compares channel by channel, but the student brings 3'):
        DistillTerm('backbone', plain, widths=(3, 4))


def learn(guard, informed, steps=150):
    """Train the graphs alone on a stream of batches.

    Returns the loss, the spread of the teacher's graph features and the student's gradient norm.
    """
    torch.manual_seed(0)
    mix = torch.randn(8, 8)
    loss = LocalGraphLoss(8, 8, 8, num_anchors=40, num_neighbors=8, guard=guard)
    optimizer = torch.optim.Adam([p for p in loss.parameters() if p.requires_grad], 0.05)
    batch = torch.arange(200) % 2
    values = []
    for _ in range(steps):
        teacher = torch.randn(200, 8)
        student = (teacher @ mix if informed else torch.randn(200, 8)).requires_grad_()
        value = loss(student, teacher, batch)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    graph = loss.graphs['teacher']
    spread = graph(torch.cat([teacher, teacher], dim=1)).std(dim=0).mean()
    return sum(values[-10:]) / 10, spread.item(), student.grad.norm().item()


def test_unguarded_graphs_collapse_whatever_the_student_does():
    for informed in (False, True):
        value, spread, slope = learn('none', informed)
        assert value < 1e-3 and slope < 1e-3  # "perfect", and nothing left for the student to learn
        assert informed or spread < 1e-2  # the teacher's graph says nothing any more


@pytest.mark.parametrize('guard', ['frozen', 'normalized'])
def test_guarded_loss_falls_only_for_a_student_that_knows_what_the_teacher_knows(guard):
    noise, spread, slope = learn(guard, informed=False)
    assert noise > 0.3 and spread > 0.3 and slope > 1e-2
    value, spread, _ = learn(guard, informed=True)
    assert value < noise / 10 and spread > 0.3


def test_a_frozen_graph_is_kept_in_checkpoints_and_gets_no_gradient():
    loss, fields = build('fixed'), make([9, 9])
    call(loss, fields).backward()
    trained = {key for key, p in loss.named_parameters() if p.grad is not None}
    assert trained == {'graphs.student.conv.weight', 'graphs.student.scale', 'graphs.student.shift'}
    other = build('fixed', seed=1)
    assert call(other, fields) != call(loss, fields)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(call(other, fields), call(loss, fields))


@pytest.mark.parametrize('name', PRESETS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('sizes', [[], [1], [2, 1]])
def test_degenerate_inputs_give_a_finite_connected_float32(name, dtype, sizes):
    loss = build(name, 50, 50, widths_of(name)).float()
    fields = make(sizes, widths_of(name), dtype=dtype)
    plain = call(loss, fields)
    with torch.autocast('cpu', torch.bfloat16):
        value = call(loss, fields)
    value.backward()
    assert torch.equal(value, plain) and value.shape == () and value.dtype == torch.float32
    learned = [fields['student'], *(p for p in loss.parameters() if p.requires_grad)]
    assert all(torch.isfinite(x.grad).all() for x in learned)  # DDP sees every parameter used
    assert torch.isfinite(value) and (sizes or value == 0)


@pytest.mark.parametrize('name', PRESETS)
def test_row_order_does_not_matter(name):
    loss = build(name, widths=widths_of(name))
    fields = make([9, 5], widths_of(name))
    order = torch.randperm(14, generator=torch.Generator().manual_seed(1))
    moved = call(loss, {key: field[order] for key, field in fields.items()})
    torch.testing.assert_close(moved, call(loss, fields), rtol=1e-9, atol=0)


@pytest.mark.parametrize('name', ['no graphs', 'no graphs, differences'])
def test_identical_teacher_and_student_give_zero_where_edges_are_compared_as_they_are(name):
    loss, fields = build(name, widths=(4, 4)), make([9, 5], (4, 4))
    value = call(loss, fields, teacher=fields['student'].detach())
    value.backward()
    assert value == 0 and (fields['student'].grad == 0).all()


def test_teacher_and_importance_are_detached():
    loss, fields = build('fixed, counts'), make([9, 5])
    call(loss, {**fields, 'teacher': fields['teacher'].requires_grad_(),
                'count': fields['count'].requires_grad_()}).backward()  # fmt: skip
    assert fields['student'].grad.abs().max() > 0
    assert fields['teacher'].grad is None and fields['count'].grad is None


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_anchors=0), 'num_anchors must be positive, but got 0'),
        (dict(num_neighbors=-1), 'num_neighbors must be positive, but got -1'),
        (dict(graph_channels=0), 'graph_channels must be positive, but got 0'),
        (
            dict(weights=dict(type='Softmax')),
            "weights type must be .*, nearest: 'SoftmaxWeights'",
        ),
        (dict(edge='cat'), "edge must be one of .*, nearest: 'concat'"),
        (dict(guard='freeze'), "guard must be one of .*, nearest: 'frozen'"),
        (dict(student_channels=None), 'graphs need student_channels .* got None and 4; set graph'),
        (
            dict(weights=dict(type='GraphWeights'), graph_channels=None),
            'GraphWeights needs graphs: set graph_channels',
        ),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        LocalGraphLoss(**{**dict(student_channels=3, teacher_channels=4), **options})


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(student=torch.zeros(4, 5)), 'student has 5 channels .* 3: set student_channels=5'),
        (dict(teacher=torch.zeros(4, 2)), 'teacher has 2 channels .* 4: set teacher_channels=2'),
        (dict(teacher=torch.zeros(3, 4)), 'student has 4 rows but teacher has 3'),
        (dict(batch=torch.zeros(3).long()), r'batch must have shape \(4,\)'),
        (dict(importance=torch.zeros(5)), r'importance must have shape \(4,\), .* but got \(5,\)'),
    ],
)
def test_bad_inputs_are_refused(changes, message):
    fields = dict(student=torch.zeros(4, 3), teacher=torch.zeros(4, 4), batch=torch.zeros(4).long())
    with pytest.raises(ValueError, match=message):
        LocalGraphLoss(3, 4).compare(**{**fields, **changes})


def test_widths_that_differ_without_graphs_are_refused_with_the_cure():
    with pytest.raises(ValueError, match='student has 3 channels but teacher has 4; set graph_ch'):
        LocalGraphLoss(graph_channels=None)(
            torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2).long()
        )
