"""A teacher whose classes have another order, number or no name at all."""

import copy
import logging
from types import SimpleNamespace

import pytest
import torch
from mmdet3d.structures import LiDARInstance3DBoxes
from mmengine.hub import get_config
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from toy import KD, batch, build, distiller, minkunet
from toy_detectors import centerpoint, detector_distiller, pointpillars, scenes

from projects.SRKD.base import UsageError
from projects.SRKD.datasets.class_names import training_classes
from projects.SRKD.distill.classes import ClassAgreement

NAMES = ('Pedestrian', 'Car')
ANCHOR_TERMS = dict(
    logits=dict(student_tap='bbox_head.conv_cls', loss=dict(type='AnchorLogitLoss', mask='none')),
    boxes=dict(student_tap='bbox_head.conv_reg', loss=dict(type='FeatureMSELoss')),
    turns=dict(student_tap='bbox_head.conv_dir_cls', loss=dict(type='FeatureMSELoss')),
)
CENTER_TERMS = {
    f'{branch}_{task}': dict(
        student_tap=f'pts_bbox_head.task_heads.{task}.{branch}', loss=dict(type='FeatureMSELoss')
    )
    for task in (0, 1)
    for branch in ('heatmap', 'reg', 'vel')
}
FEATURES = dict(
    map=dict(student_tap='backbone.blocks.0', connector=dict(type='LinearConnector'),
             loss=dict(type='FeatureMSELoss')))  # fmt: skip


def save(state, path, names=None):
    meta = {} if names is None else dict(meta=dict(dataset_meta=dict(classes=names)))
    torch.save(dict(state_dict=state) | meta, path)
    return str(path)


def state_of(config, seed=0):
    torch.manual_seed(seed)
    return build(config).state_dict()


def named(data, names):
    for sample in data['data_samples']:
        sample.set_metainfo(dict(classes=names))
    return data


def losses_of(model, names=NAMES, code_size=7):
    data = named(scenes(code_size=code_size), names)
    return model.loss(**model.data_preprocessor(data, training=True))


def turned_pillars(config, state):
    """The same anchor head with its two classes, and their anchors, the other way round."""
    config, state = copy.deepcopy(config), dict(state)
    anchors = config['bbox_head']['anchor_generator']
    anchors['sizes'], anchors['ranges'] = anchors['sizes'][::-1], anchors['ranges'][::-1]
    for name, inner in (('conv_cls', 2), ('conv_reg', 7), ('conv_dir_cls', 2)):
        for kind in ('weight', 'bias'):
            key = f'bbox_head.{name}.{kind}'
            rows = state[key].unflatten(0, (2, 2, inner)).flip(0)  # size, rotation, channel
            rows = rows.flip(2) if name == 'conv_cls' else rows
            state[key] = rows.flatten(0, 2).contiguous()
    return config, state


def turned_centers(config, state):
    """The same center head with the two classes of its second task the other way round."""
    config, state = copy.deepcopy(config), dict(state)
    config['pts_bbox_head']['tasks'][1]['class_names'].reverse()
    for kind in ('weight', 'bias'):
        key = f'pts_bbox_head.task_heads.1.heatmap.1.{kind}'
        state[key] = state[key].flip(0)
    return config, state


# --- a permutation is mapped, exactly ------------------------------------------------------------


def test_anchor_logits_and_boxes_of_another_order_teach_the_same(tmp_path):
    teacher = pointpillars(16)
    state = state_of(teacher)
    turned, turned_state = turned_pillars(teacher, state)
    found = []
    for number, (config, weights, names) in enumerate(
        [(teacher, state, NAMES), (turned, turned_state, NAMES[::-1])]
    ):
        checkpoint = save(weights, tmp_path / f'{number}.pth', names)
        torch.manual_seed(1)
        model = detector_distiller(
            pointpillars(8), config, checkpoint, ANCHOR_TERMS, teacher_boxes=dict(score_thr=0.0)
        )
        torch.manual_seed(2)  # as ties of equal scores are broken
        found.append((losses_of(model), model))
    for name in ANCHOR_TERMS:
        torch.testing.assert_close(found[0][0][f'loss_{name}'], found[1][0][f'loss_{name}'])
    boxes = []
    for _, model in found:
        data = model.data_preprocessor(named(scenes(), NAMES), training=True)
        taught = [sample.gt_instances_3d for sample in model.targets(data['data_samples'])]
        boxes.append([
            sorted(zip(each.labels_3d.tolist(), each.bboxes_3d.tensor[:, 0].tolist()))
            for each in taught])  # fmt: skip
    assert boxes[0] == boxes[1] and any(label for label, _ in boxes[0][0])


def test_heat_maps_of_another_order_within_a_task_teach_the_same(tmp_path):
    teacher = centerpoint(16)
    state = state_of(teacher)
    turned, turned_state = turned_centers(teacher, state)
    names = ('Pedestrian', 'Car', 'Van')
    found = []
    for number, (config, weights) in enumerate([(teacher, state), (turned, turned_state)]):
        checkpoint = save(weights, tmp_path / f'{number}.pth')  # the tasks have the names
        torch.manual_seed(1)
        model = detector_distiller(centerpoint(8), config, checkpoint, CENTER_TERMS)
        found.append(losses_of(model, names, code_size=9))
    for name in CENTER_TERMS:
        torch.testing.assert_close(found[0][f'loss_{name}'], found[1][f'loss_{name}'])


@pytest.mark.parametrize('order', [[0, 1, 2, 3, 4], [4, 2, 0, 1, 3]])
def test_logits_of_a_segmentor_of_another_order_teach_the_same(order, tmp_path):
    names = ('wall', 'floor', 'bed', 'chair', 'table')
    teacher = minkunet(16)
    state = state_of(teacher)
    mixed = state | {
        key: value[order] for key, value in state.items() if key.startswith('decode_head.conv_seg')
    }
    found = []
    for number, (weights, classes) in enumerate(
        [(state, names), (mixed, [names[i] for i in order])]
    ):
        torch.manual_seed(1)
        checkpoint = save(weights, tmp_path / f'{number}.pth', classes)
        model = distiller(minkunet(8), teacher, checkpoint, kd=KD)
        model.learn_classes(names)
        found.append(model.loss(**model.data_preprocessor(batch(), training=True))['loss_kd'])
    torch.testing.assert_close(*found)


# --- other lists are refused where outputs are compared, and mapped where labels are -------------


@pytest.mark.parametrize('names', [('Pedestrian', 'Van'), ('a', 'b')])
def test_logits_over_other_classes_are_refused_with_both_lists(names, tmp_path):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth', names)
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, ANCHOR_TERMS)
    with pytest.raises(
        UsageError,
        match=f"term 'logits' .* the student has Pedestrian, Car, the teacher {', '.join(names)}",
    ):
        model.learn_classes(NAMES)


def test_anchors_of_other_sizes_are_refused_although_the_names_agree(tmp_path):
    teacher = pointpillars(16)
    teacher['bbox_head']['anchor_generator']['sizes'][1] = [4.9, 1.9, 2.0]
    checkpoint = save(state_of(teacher), tmp_path / 't.pth', NAMES)
    model = detector_distiller(pointpillars(8), teacher, checkpoint, ANCHOR_TERMS)
    with pytest.raises(UsageError, match='do not stand for the same classes, anchors or tasks'):
        model.learn_classes(NAMES)


def test_tasks_of_other_classes_are_refused_with_both_lists(tmp_path):
    teacher = centerpoint(16)
    teacher['pts_bbox_head']['tasks'].reverse()
    checkpoint = save(state_of(teacher), tmp_path / 't.pth')
    terms = dict(vel=CENTER_TERMS['vel_0'])  # equal widths: two numbers in every task
    model = detector_distiller(centerpoint(8), teacher, checkpoint, terms)
    with pytest.raises(UsageError, match='student has Pedestrian, Car, Van, the teacher Car, Van'):
        losses_of(model, ('Pedestrian', 'Car', 'Van'), code_size=9)


@pytest.mark.parametrize('names', [None, NAMES, NAMES[::-1], ('a', 'b')])
def test_features_do_not_depend_on_classes(names, tmp_path, caplog):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth', names)
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, FEATURES)
    with caplog.at_level(logging.INFO):
        assert losses_of(model)['loss_map'] > 0
    assert 'names no classes' not in caplog.text


def taught_labels(model, labels, scores, names=NAMES):
    data = model.data_preprocessor(named(scenes(), names), training=True)
    count = len(labels)
    boxes = torch.tensor([[5.0, 0, -1, 3.9, 1.6, 1.5, 0]]).repeat(count, 1)
    found = InstanceData(
        bboxes_3d=LiDARInstance3DBoxes(boxes), scores_3d=torch.tensor(scores),
        labels_3d=torch.tensor(labels))  # fmt: skip
    model.teacher.boxes = [found] * len(data['data_samples'])
    taught = model.targets(data['data_samples'])[0].gt_instances_3d.labels_3d
    truth = data['data_samples'][0].gt_instances_3d.labels_3d
    return taught[: len(taught) - len(truth)].tolist()


def teacher_of(count):
    config = pointpillars(16)
    head = config['bbox_head']
    head['num_classes'], sizes = count, head['anchor_generator']
    sizes['sizes'] = (sizes['sizes'] * 2)[:count]
    sizes['ranges'] = (sizes['ranges'] * 2)[:count]
    config['train_cfg']['assigner'] = (config['train_cfg']['assigner'] * 2)[:count]
    return config


@pytest.mark.parametrize(
    'names, expected',
    [
        (('Pedestrian', 'Car'), [0, 1]),
        (('Car', 'Pedestrian'), [1, 0]),
        (('Car', 'Van', 'Pedestrian'), [1, 0]),  # a superset: the van is left out
        (('Van', 'Car', 'Truck'), [1]),
        (('Car',), [1]),  # a subset
    ],
)
def test_labels_are_mapped_by_name(names, expected, tmp_path):
    teacher = teacher_of(len(names))
    checkpoint = save(state_of(teacher), tmp_path / 't.pth', names)
    model = detector_distiller(
        pointpillars(8), teacher, checkpoint, {}, teacher_boxes=dict(score_thr=0.5)
    )
    assert taught_labels(model, list(range(len(names))), [0.9] * len(names)) == expected


def test_thresholds_are_those_of_the_students_classes(tmp_path):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth', NAMES[::-1])
    thresholds = dict(score_thr=[0.2, 0.8])  # pedestrians, cars
    model = detector_distiller(
        pointpillars(8), pointpillars(16), checkpoint, {}, teacher_boxes=thresholds
    )
    assert taught_labels(model, [0, 0, 1, 1], [0.5, 0.9, 0.1, 0.5]) == [1, 0]


def test_labels_without_a_common_class_are_refused_with_both_lists(tmp_path):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth', ('Van', 'Truck'))
    model = detector_distiller(
        pointpillars(8), pointpillars(16), checkpoint, {}, teacher_boxes=dict(score_thr=0.5)
    )
    with pytest.raises(UsageError, match='no class in common: .*Pedestrian, Car, .*Van, Truck'):
        model.learn_classes(NAMES)


@pytest.mark.parametrize('terms', [ANCHOR_TERMS, {}])
def test_a_checkpoint_without_names_is_taken_with_one_line(terms, tmp_path, caplog):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth')
    model = detector_distiller(
        pointpillars(8), pointpillars(16), checkpoint, terms, teacher_boxes=dict(score_thr=0.5)
    )
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        for _ in range(2):
            losses_of(model)
    finally:
        logger.removeHandler(handler)
    said = [line for line in lines if 'names no classes' in line]
    assert len(said) == 1 and 't.pth' in said[0] and 'Pedestrian, Car' in said[0]


def test_a_checkpoint_without_names_and_with_more_classes_is_refused(tmp_path):
    teacher = teacher_of(3)
    checkpoint = save(state_of(teacher), tmp_path / 't.pth')
    model = detector_distiller(
        pointpillars(8), teacher, checkpoint, {}, teacher_boxes=dict(score_thr=0.5)
    )
    with pytest.raises(UsageError, match='teacher has 3 classes and the student 2, .*not name'):
        losses_of(model)


def test_the_config_of_the_teacher_names_what_its_checkpoint_does_not(tmp_path):
    dataset = dict(type='KittiDataset', metainfo=dict(classes=['Car', 'Pedestrian']))
    whole = dict(
        model=pointpillars(16),
        train_dataloader=dict(dataset=dict(type='RepeatDataset', times=2, dataset=dataset)),
    )
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth')
    model = detector_distiller(
        pointpillars(8), whole, checkpoint, {}, teacher_boxes=dict(score_thr=0.5)
    )
    assert taught_labels(model, [0, 1], [0.9, 0.9]) == [1, 0]


def test_a_student_whose_classes_nobody_told_is_refused(tmp_path):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth', NAMES)
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, ANCHOR_TERMS)
    data = model.data_preprocessor(scenes(), training=True)
    with pytest.raises(UsageError, match='t.pth numbers its classes Pedestrian, Car, .*learn_cl'):
        model.loss(**data)
    model.learn_classes(NAMES)
    assert model.loss(**data)['loss_logits'] > 0


def test_data_of_two_lists_are_refused(tmp_path):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth', NAMES)
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, ANCHOR_TERMS)
    losses_of(model)
    with pytest.raises(UsageError, match='has the classes Car, Pedestrian, but the student'):
        losses_of(model, NAMES[::-1])


@pytest.mark.parametrize('names', [('Car',), ('Car', 'Van', 'Pedestrian')])
def test_data_of_another_number_of_classes_are_refused(names, tmp_path):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth')
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, FEATURES)
    with pytest.raises(UsageError, match=f"student's head has num_classes=2, but .* {len(names)}"):
        model.learn_classes(names)


def test_a_checkpoint_that_names_another_number_than_its_head_is_refused(tmp_path):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth', ('Car', 'Van', 'Bus'))
    model = detector_distiller(pointpillars(8), pointpillars(16), checkpoint, ANCHOR_TERMS)
    with pytest.raises(UsageError, match="names 3 classes, Car, Van, Bus, but the teacher's head"):
        model.learn_classes(NAMES)


def test_class_ids_of_another_task_are_refused(tmp_path):
    term = dict(
        student_tap='pts_bbox_head.task_heads.1.heatmap',
        loss=dict(type='PivotalHeatmapLoss', classes=(0, 1)),
    )
    with pytest.raises(UsageError, match=r"loss.classes of term 'heat' is \[0, 1\], .* \[1, 2\]"):
        detector_distiller(centerpoint(8), centerpoint(16), 'unused.pth', dict(heat=term))


def test_boxes_with_velocities_teach_a_student_without(tmp_path):
    teacher = centerpoint(16)
    checkpoint = save(state_of(teacher), tmp_path / 't.pth')
    model = detector_distiller(
        pointpillars(8), teacher, checkpoint, {}, teacher_boxes=dict(score_thr=0.0)
    )
    losses_of(model)
    assert all(each.bboxes_3d.tensor.shape[1] == 9 for each in model.teacher.boxes)


def test_boxes_without_velocities_are_refused_for_a_student_with(tmp_path):
    checkpoint = save(state_of(pointpillars(16)), tmp_path / 't.pth', NAMES)
    model = detector_distiller(
        centerpoint(8), pointpillars(16), checkpoint, {}, teacher_boxes=dict(score_thr=0.0)
    )
    with pytest.raises(UsageError, match='boxes of the teacher have 7 numbers, .* truth 9'):
        losses_of(model, ('Pedestrian', 'Car', 'Van'), code_size=9)


def test_the_zoos_pillars_and_centers_of_nuscenes_agree_by_name_alone():
    """Four of ten classes have the same number in both."""
    pillars, centers = (
        get_config(f'mmdet3d::{name}.py')
        for name in (
            'pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d',
            'centerpoint/centerpoint_pillar02_second_secfpn_8xb4-cyclic-20e_nus-3d',
        )
    )
    for student, teacher in ((pillars, centers), (centers, pillars)):
        own, other = training_classes(student), training_classes(teacher)
        taught = SimpleNamespace(config=teacher.model, classes=other, checkpoint='zoo.pth')
        agreement = ClassAgreement(student.model, taught, {}, by_labels=True)
        agreement.learn(own)
        labels = agreement.labels(torch.arange(10))
        assert [own[label] for label in labels] == list(other)
        assert int((labels == torch.arange(10)).sum()) == 4
