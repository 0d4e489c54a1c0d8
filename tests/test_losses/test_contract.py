"""What every loss module promises, whatever its formula."""

import inspect
import warnings

import pytest
import torch

from projects.SRKD import losses
from projects.SRKD.losses.attention_transfer import AttentionTransferLoss
from projects.SRKD.losses.foreground_mse import ForegroundMSELoss
from projects.SRKD.losses.pearson import PearsonLoss
from projects.SRKD.losses.sparsekd.anchor_boxes import AnchorBoxLoss
from projects.SRKD.losses.sparsekd.anchor_logits import AnchorLogitLoss
from projects.SRKD.losses.sparsekd.center_regression import CenterRegressionLoss
from projects.SRKD.losses.sparsekd.pivotal_logits import PivotalHeatmapLoss

SMALL = dict(num_super_voxels=50)  # every super-voxel is drawn: nothing is random

MODULES = {
    'local graph, plain': losses.LocalGraphLoss(
        graph_channels=None, num_anchors=99, num_neighbors=5
    ),
    'soft_target_kl': losses.SoftTargetKLLoss(),
    'soft_target_kl, valid points': losses.SoftTargetKLLoss(skip_ignored=True),
    'soft_target_kl, student first': losses.SoftTargetKLLoss(direction='student_teacher'),
    'point affinity': losses.PointAffinityLoss(**SMALL),
    'point affinity, as they are': losses.PointAffinityLoss(normalize='none', **SMALL),
    'point affinity, scaled': losses.PointAffinityLoss(normalize='scale', **SMALL),
    'point affinity, paper': losses.PointAffinityLoss(
        dict(type='CylinderPartition'), weighting='paper', normalize='none', **SMALL
    ),
    'voxel affinity': losses.VoxelAffinityLoss(**SMALL),
    'voxel affinity, scaled': losses.VoxelAffinityLoss(
        dict(type='CylinderPartition', radius=1.0), normalize='scale', **SMALL
    ),
    'channel_kl': losses.ChannelKLLoss(),
    'channel_kl, student first': losses.ChannelKLLoss(direction='student_teacher'),
    'voxel channel_kl': losses.VoxelChannelKLLoss(voxel_size=0.7),
    'cross sample': losses.CrossSampleAffinityLoss(),
    'cross sample, all pairs': losses.CrossSampleAffinityLoss(pairs='all', valid_only=False),
    'cross sample, student first': losses.CrossSampleAffinityLoss(direction='student_teacher'),
    'feature mse': losses.FeatureMSELoss(),
    'foreground mse': ForegroundMSELoss(),
    'foreground mse, per box': ForegroundMSELoss(per_box=True, margin=0.2),
    'pivotal heat map': PivotalHeatmapLoss(range(7)),
    'pivotal heat map, few cells': PivotalHeatmapLoss(range(7), rank=5, masks=()),
    'center regression': CenterRegressionLoss(),
    'anchor logits': AnchorLogitLoss(),
    'anchor logits, where the teacher is sure': AnchorLogitLoss('teacher', threshold=0.6),
    'anchor boxes': AnchorBoxLoss(),
    'pseudo labels': losses.PseudoLabelLoss(0.3),
    'pseudo labels, all points': losses.PseudoLabelLoss(0.3, rows='all'),
    'standardized kl': losses.StandardizedKLLoss(),
    'confidence kl': losses.ConfidenceKLLoss(),
    'correct teacher kl': losses.CorrectTeacherKLLoss(),
    'correct teacher kl, labeled points': losses.CorrectTeacherKLLoss(unlabeled='none'),
    'class temperature kl': losses.ClassTemperatureKLLoss(range(1, 8)),
    'attention transfer': AttentionTransferLoss(),
    'pearson': PearsonLoss(),
}


@pytest.fixture(params=MODULES)
def module(request):
    return MODULES[request.param]


def points(rows, dtype=torch.float32, samples=3, ignored=False, seed=0):
    gen = torch.Generator().manual_seed(seed)
    fields = dict(
        student=torch.randn(rows, 7, generator=gen, dtype=torch.float64).to(dtype),
        teacher=torch.randn(rows, 7, generator=gen, dtype=torch.float64).to(dtype),
        coord=torch.rand(rows, 3, generator=gen) * 3 - 1,
        batch=torch.randint(0, samples, (rows,), generator=gen),
        label=torch.randint(-1, 5, (rows,), generator=gen),
    )
    places = (fields['coord'][fields['batch'] == sample][:3] for sample in range(samples))
    fields['boxes'] = [torch.cat([xyz, torch.rand(len(xyz), 4) + 1.0], dim=1) for xyz in places]
    fields['classes'] = [torch.arange(len(box)) for box in fields['boxes']]
    fields['cell_size'] = (0.1, 0.1)
    if ignored:
        fields['label'] = torch.full_like(fields['label'], -1)
        fields['classes'] = [torch.full_like(ids, -1) for ids in fields['classes']]
    fields['student'].requires_grad_()
    return fields


def call(module, fields, **changes):
    fields = {**fields, **changes}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return module(
            **{name: fields[name] for name in inspect.signature(module.forward).parameters}
        )


@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    'case',
    [dict(rows=0), dict(rows=1), dict(rows=2, samples=1), dict(rows=30, ignored=True)],
    ids=['empty', 'one point', 'one sample', 'all ignored'],
)
def test_degenerate_inputs_give_a_finite_connected_float32(module, case, dtype, autocast):
    fields = points(dtype=dtype, **case)
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        value = call(module, fields)
    assert value.shape == () and value.dtype == torch.float32 and torch.isfinite(value)
    value.backward()
    assert fields['student'].grad.shape == fields['student'].shape
    assert torch.isfinite(fields['student'].grad).all()


def test_ignored_points_alone_are_zero_where_labels_are_asked_for():
    for name in ('soft_target_kl, valid points', 'cross sample'):
        fields = points(30, ignored=True)
        value = call(MODULES[name], fields)
        value.backward()
        assert value == 0 and (fields['student'].grad == 0).all()


def test_without_objects_the_losses_about_them_are_zero():
    for name in ('foreground mse', 'pivotal heat map', 'center regression', 'anchor boxes'):
        fields = points(30, ignored=True)
        value = call(MODULES[name], fields)
        value.backward()
        assert value == 0 and (fields['student'].grad == 0).all()


READS_LABEL = [n for n, m in MODULES.items() if 'label' in inspect.signature(m.forward).parameters]


@pytest.mark.parametrize('name', READS_LABEL)
def test_labels_may_be_missing(name):
    assert torch.isfinite(call(MODULES[name], points(40), label=None))


def test_autocast_changes_nothing(module):
    fields = points(60)
    plain = call(module, fields)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.equal(call(module, fields), plain)


def test_values_are_the_same_without_gradient(module):
    fields = points(60)
    with torch.no_grad():
        value = call(module, fields)
    assert not value.requires_grad and torch.equal(value, call(module, fields).detach())


def test_half_inputs_are_raised_not_computed_in_half(module):
    fields = points(60, torch.bfloat16)
    raised = {key: fields[key].detach().float() for key in ('student', 'teacher')}
    assert torch.equal(call(module, fields), call(module, fields, **raised))


def test_float64_goes_in_and_comes_out(module):
    fields = points(60, torch.float64)
    value = call(module, fields)
    value.backward()
    assert value.dtype == fields['student'].grad.dtype == torch.float64
    single = {key: fields[key].detach().float() for key in ('student', 'teacher')}
    torch.testing.assert_close(call(module, fields, **single).double(), value, rtol=1e-4, atol=0)


def test_identical_teacher_and_student_give_zero_and_no_gradient(module):
    if isinstance(module, losses.PseudoLabelLoss):
        pytest.skip('a hard label asks for more than the teacher says')
    fields = points(60)
    value = call(module, fields, teacher=fields['student'].detach())
    value.backward()
    assert value == 0
    assert fields['student'].grad.abs().max() <= 1e-6


def test_different_teacher_and_student_give_a_gradient_to_the_student_alone(module):
    fields = points(60)
    fields['teacher'].requires_grad_()
    value = call(module, fields)
    value.backward()
    assert value > 0 and fields['student'].grad.abs().max() > 0
    assert fields['teacher'].grad is None


def test_row_order_does_not_matter(module):
    fields = points(60, torch.float64)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    rows = ('student', 'teacher', 'coord', 'batch', 'label')
    moved = call(module, {**fields, **{name: fields[name][order] for name in rows}})
    torch.testing.assert_close(moved, call(module, fields), rtol=1e-9, atol=0)


def test_loss_weight_scales_the_loss(module):
    fields = points(60)
    plain = call(module, fields)
    before, module.loss_weight = module.loss_weight, 0.25
    try:
        torch.testing.assert_close(call(module, fields), 0.25 * plain)
    finally:
        module.loss_weight = before


def test_gradient_steps_lower_the_loss(module):
    fields = points(60, torch.float64)
    student = fields['student'].detach().clone().requires_grad_()
    start = call(module, fields, student=student)
    for _ in range(20):
        (grad,) = torch.autograd.grad(call(module, fields, student=student), student)
        student = (student - 0.05 * grad / grad.norm()).detach().requires_grad_()
    assert call(module, fields, student=student) < start
