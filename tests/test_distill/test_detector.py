import copy

import pytest
import torch
from toy import build, minkunet, save_checkpoint
from toy_detectors import centerpoint, detector_distiller, pointpillars, scenes

from projects.SRKD.base import UsageError

FITNET = dict(
    connector=dict(type='LinearConnector'), loss=dict(type='FeatureMSELoss', loss_weight=0.5)
)
GRAPH = dict(num_anchors=50, num_neighbors=8, graph_channels=6)
PILLARS = dict(
    local_graph=dict(
        student_tap='voxel_encoder', loss=dict(type='PointCountLocalGraphLoss', **GRAPH)
    ),
    map=dict(student_tap='backbone.blocks.0', **FITNET),
    logits=dict(student_tap='bbox_head.conv_cls', loss=dict(type='FeatureMSELoss')),
)
CENTERS = dict(
    local_graph=dict(
        student_tap='pts_backbone.blocks.1', loss=dict(type='LocalGraphLoss', **GRAPH)
    ),
    map=dict(student_tap='pts_neck', **FITNET),
    logits=dict(student_tap='pts_bbox_head.task_heads.0.heatmap', loss=dict(type='FeatureMSELoss')),
)
NETWORKS = dict(pointpillars=(pointpillars, PILLARS, 7), centerpoint=(centerpoint, CENTERS, 9))


@pytest.fixture(params=NETWORKS)
def case(request, tmp_path):
    make, terms, code_size = NETWORKS[request.param]
    checkpoint = save_checkpoint(make(16), tmp_path / 'teacher.pth')
    return detector_distiller(make(8), make(16), checkpoint, terms), code_size


@pytest.fixture
def checkpoint(tmp_path):
    return save_checkpoint(pointpillars(16), tmp_path / 'teacher.pth')


def prepared(model, training=True, **changes):
    return model.data_preprocessor(scenes(**changes), training=training)


def test_every_detector_trains_with_voxel_map_and_logit_terms(case):
    model, code_size = case
    losses = model.loss(**prepared(model, code_size=code_size))
    assert {'loss_local_graph', 'loss_map', 'loss_logits', 'unmatched_rows'} < set(losses)
    assert all(losses[f'loss_{name}'] > 0 for name in model.terms)
    loss, _ = model.parse_losses(losses)
    loss.backward()
    frozen = 'terms.local_graph.loss.graphs.teacher'
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None or name.startswith(frozen), f'{name} has no gradient'


def test_the_task_loss_is_that_of_the_student_alone(case):
    """mmdet3d's PillarFeatureNet shifts the points of the voxels it is given."""
    model, code_size = case
    alone = copy.deepcopy(model.student)
    data = prepared(model, code_size=code_size)
    expected = alone(**copy.deepcopy(data), mode='loss')
    losses = model.loss(**data)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value, rtol=0, atol=0, msg=name)


def test_the_teacher_stays_as_it_was(case):
    model, code_size = case
    before = {k: v.clone() for k, v in model.teacher.network.state_dict().items()}
    model.loss(**prepared(model, code_size=code_size))
    assert not model.teacher.network.training
    for name, value in model.teacher.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_weights_load_strictly_into_the_plain_student_which_predicts_the_same(case):
    model, code_size = case
    plain = build(centerpoint(8) if code_size == 9 else pointpillars(8)).eval()
    plain.load_state_dict(model.state_dict(), strict=True)
    model.eval()
    ours, theirs = (
        network(**prepared(network, training=False, code_size=code_size), mode='predict')
        for network in (model, plain)
    )
    for one, other in zip(ours, theirs):
        boxes = [sample.pred_instances_3d.bboxes_3d.tensor for sample in (one, other)]
        assert len(boxes[0]) and torch.equal(*boxes)


def test_a_head_without_a_tap_is_not_run_by_the_teacher(checkpoint):
    for terms, expected in ((PILLARS, 1), (dict(map=PILLARS['map']), 0)):
        model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, terms)
        calls = []
        model.teacher.network.bbox_head.register_forward_hook(lambda *call, to=calls: to.append(1))
        model.loss(**prepared(model))
        assert len(calls) == expected


def test_the_teacher_runs_only_as_deep_as_its_taps(checkpoint):
    """PointDistiller's term on pillars reads the voxel encoder: the rest need not run."""
    terms = dict(local_graph=PILLARS['local_graph'])
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, terms)
    calls, losses = [], []
    model.teacher.network.backbone.register_forward_hook(lambda *call: calls.append(1))
    for _ in range(2):
        torch.manual_seed(0)
        losses.append(model.loss(**prepared(model))['loss_local_graph'])
    assert len(calls) == 1  # in the first step, to see that no tap fires twice
    torch.testing.assert_close(*losses, rtol=0, atol=0)


def test_teacher_boxes_come_before_the_ground_truth(checkpoint):
    boxes = dict(score_thr=0.0)
    model = detector_distiller(
        pointpillars(8), pointpillars(16), checkpoint, {}, teacher_boxes=boxes
    )
    data = prepared(model)
    truths = [sample.gt_instances_3d for sample in data['data_samples']]
    model.loss(**data)
    found = model.teacher.boxes
    assert all(len(each) for each in found)
    for sample, truth, taught in zip(model.targets(data['data_samples']), truths, found):
        boxes = sample.gt_instances_3d.bboxes_3d.tensor
        expected = torch.cat([taught.bboxes_3d.tensor, truth.bboxes_3d.tensor])
        assert torch.equal(boxes, expected) and len(sample.gt_instances_3d.labels_3d) == len(boxes)
    model.score_thr = [1.1, 0.0]  # nothing of class 0
    for sample, truth in zip(model.targets(data['data_samples']), truths):
        labels = sample.gt_instances_3d.labels_3d
        assert (labels[: len(labels) - len(truth.labels_3d)] == 1).all()
    model.score_thr = 1.1
    for sample, truth in zip(model.targets(data['data_samples']), truths):
        assert torch.equal(sample.gt_instances_3d.labels_3d, truth.labels_3d)


@pytest.mark.parametrize(
    'thresholds',
    [None, 1.5, -1, -0.1, float('nan'), 'high', True, [0.3, 2], ['a', 0.1], {}, [[0.1, 0.2]]],
)
def test_a_threshold_that_is_no_score_is_refused(checkpoint, thresholds):
    with pytest.raises(UsageError, match=r'teacher_boxes.score_thr must be a number in \[0, 1\]'):
        detector_distiller(
            pointpillars(8), pointpillars(16), checkpoint, {},
            teacher_boxes=dict(score_thr=thresholds))  # fmt: skip


@pytest.mark.parametrize('count', [1, 3])
def test_thresholds_are_as_many_as_the_students_classes(checkpoint, count):
    with pytest.raises(UsageError, match=f'score_thr has {count} numbers, expected one, or one'):
        detector_distiller(
            pointpillars(8), pointpillars(16), checkpoint, {},
            teacher_boxes=dict(score_thr=[0.3] * count))  # fmt: skip


@pytest.mark.parametrize('boxes', [{}, dict(score_thr=0.3, nms=1), dict(score_threshold=0.3), 0.3])
def test_teacher_boxes_take_a_threshold_and_nothing_else(checkpoint, boxes):
    with pytest.raises(UsageError, match=r'teacher_boxes must be dict\(score_thr=...\)'):
        detector_distiller(pointpillars(8), pointpillars(16), checkpoint, {}, teacher_boxes=boxes)


def test_another_grid_serves_maps_but_is_refused_for_local_graphs(checkpoint, tmp_path):
    coarse = pointpillars(16, cell=0.64)
    checkpoint = save_checkpoint(coarse, tmp_path / 'coarse.pth')
    model = detector_distiller(pointpillars(8), coarse, checkpoint, dict(map=PILLARS['map']))
    losses = model.loss(**prepared(model))
    assert not model.shares_voxels and losses['loss_map'] > 0 and losses['unmatched_rows'] == 0
    with pytest.raises(ValueError, match="of term 'local_graph' compares neighbors .* one grid"):
        detector_distiller(pointpillars(8), coarse, checkpoint, PILLARS)


def test_clouds_with_few_voxels_or_no_objects_train(case):
    model, code_size = case
    losses = model.loss(**prepared(model, sizes=(3, 1), objects=0, code_size=code_size))
    loss, _ = model.parse_losses(losses)
    loss.backward()
    assert torch.isfinite(loss)


def test_frames_without_boxes_learn_from_the_teachers(case):
    model, code_size = case
    make = pointpillars if code_size == 7 else centerpoint
    terms = dict(map=PILLARS['map'] if code_size == 7 else CENTERS['map'])
    checkpoint = model.teacher.checkpoint
    told = {}
    for name, boxes in dict(none=None, teachers=dict(score_thr=0.0)).items():
        torch.manual_seed(0)
        own = detector_distiller(make(8), make(16), checkpoint, terms, teacher_boxes=boxes)
        told[name] = own.loss(**prepared(own, objects=0, code_size=code_size))
        own.parse_losses(told[name])[0].backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in own.parameters())
    for losses in told.values():
        assert losses['loss_map'] > 0 and all(
            torch.isfinite(torch.as_tensor(each)).all()
            for value in losses.values()
            for each in (value if isinstance(value, list) else [value])
        )
    box = next(key for key in told['none'] if key.endswith('loss_bbox'))
    without, with_teacher = (
        sum(map(float, value if isinstance(value, list) else [value]))
        for value in (told[name][box] for name in told)
    )
    assert without == 0 < with_teacher  # boxes to learn where a frame has none


@pytest.mark.parametrize('sizes', [(50, 0), (0, 50)])
def test_an_empty_cloud_is_refused_by_name(checkpoint, sizes):
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, PILLARS)
    name = f'{sizes.index(0):06d}.bin'
    with pytest.raises(ValueError, match=f'cloud {name} has no point in the point_cloud_range'):
        model.loss(**prepared(model, sizes=sizes))


def test_a_cloud_outside_the_range_is_refused_by_name(checkpoint):
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, PILLARS)
    data = scenes()
    data['inputs']['points'][1][:, 0] += 100
    with pytest.raises(ValueError, match='cloud 000001.bin has no point'):
        model.loss(**model.data_preprocessor(data, training=True))


def test_a_loss_that_needs_what_its_rows_lack_is_refused_with_the_cure(checkpoint):
    counted = dict(type='PointCountLocalGraphLoss', **GRAPH)
    terms = dict(graph=dict(student_tap='backbone.blocks.0', loss=counted))
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, terms)
    with pytest.raises(ValueError, match="'count', which the rows of tap 'backbone.blocks.0'"):
        model.loss(**prepared(model))


def test_a_segmentor_is_refused(checkpoint):
    terms = dict(map=PILLARS['map'] | dict(student_tap='backbone', teacher_tap='neck'))
    with pytest.raises(
        TypeError, match='must be a detector, but got a MinkUNet: use DistillSegmentor'
    ):
        detector_distiller(minkunet(8), pointpillars(16), checkpoint, terms)


def test_a_cache_of_the_teacher_is_refused(checkpoint):
    config = dict(
        type='DistillDetector',
        student=pointpillars(8),
        teacher=dict(config=pointpillars(16), checkpoint=checkpoint, cache='cache'),
        terms=PILLARS,
    )
    with pytest.raises(ValueError, match='DistillDetector has no teacher cache'):
        build(config)
