"""A published file teaches as it is."""

import pytest
import torch
from mmengine.config import Config
from pointcept_files import PTV3, prompted, ptv3, save
from toy import batch, build, minkunet, total

from projects.SRKD.base import UsageError
from projects.SRKD.base.shipped import configs
from projects.SRKD.distill import LiveTeacher

COLUMNS = ['xyz', 'color', 'normal']


def chosen(*inputs):
    kind = 'ChosenInputsPreprocessor'
    return dict(type=kind, voxel_size=0.1, columns=COLUMNS, inputs=list(inputs))


def teacher_of(**backbone):
    """Model config of the teacher, as converted files have it."""
    cfg = Config.fromfile(configs('_base_/models/ptv3.py'))
    cfg.model.backbone = dict(type='PointTransformerV3', **PTV3) | backbone
    cfg.model.decode_head.channels = 32
    cfg.model.data_preprocessor = chosen('signed_color', 'normal')
    return cfg.model.to_dict()


def clouds():
    data = batch(num_classes=20)
    clouds = data['inputs']['points']
    data['inputs']['points'] = [torch.cat([cloud, cloud[:, 3:6]], 1) for cloud in clouds]
    return data


def test_a_file_by_its_own_names_teaches_a_student_of_other_inputs(tmp_path):
    network, weights = ptv3()
    path = save(prompted(weights), tmp_path / 'a.pth')
    student = minkunet(8, num_classes=20) | dict(data_preprocessor=chosen('xyz', 'color'))
    inputs = ['signed_color', 'normal']
    convert = dict(type='pointcept', condition='S3DIS', inputs=inputs, voxel_size=0.1)
    model = build(
        dict(
            type='DistillSegmentor',
            student=student,
            teacher=dict(config=teacher_of(), checkpoint=path, convert=convert),
            terms=dict(kd=dict(student_tap='decode_head.conv_seg',
                               loss=dict(type='SoftTargetKLLoss', temperature=2.0))),
        )
    ).train()  # fmt: skip
    model.init_weights()
    losses = model.loss(**model.data_preprocessor(clouds(), True))
    total(losses).backward()
    assert losses['loss_kd'] > 0 and not model.shares_voxels
    assert model.teacher.meta == dict(inputs=inputs, voxel_size=0.1)
    loaded = model.teacher.network.backbone.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in network.state_dict().items())


def test_the_published_structure_implies_the_published_inputs(tmp_path):
    path = save(ptv3()[1], tmp_path / 'a.pth')
    config = teacher_of(type='PublishedPointTransformerV3')
    teacher = LiveTeacher(config, path, convert='pointcept')
    assert teacher.meta == dict(inputs=['signed_color', 'normal'], voxel_size=0.02)
    with pytest.raises(UsageError, match='inputs of teacher.convert must name what entered'):
        LiveTeacher(teacher_of(), path, convert='pointcept').load()


@pytest.mark.parametrize(
    ('convert', 'message'),
    [
        ('openpcdet', "type of teacher.convert must be one of .* but got 'openpcdet'"),
        (dict(type='pointcept', inputs=['rgb']), 'inputs of teacher.convert must be one of'),
        (
            dict(type='pointcept', input=['xyz']),
            "arguments of teacher.convert .*, nearest: 'inputs'",
        ),
    ],
)
def test_wrong_words_are_refused(tmp_path, convert, message):
    path = save(ptv3()[1], tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=message):
        LiveTeacher(teacher_of(), path, convert=convert).load()


def test_a_file_of_another_width_is_refused_with_both(tmp_path):
    path = save(ptv3()[1], tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=r'expected \(24, 32\), got \(32, 32\)'):
        LiveTeacher(teacher_of(dec_channels=(24, 32)), path, convert='pointcept').load()


def test_detectors_take_no_conversion():
    with pytest.raises(UsageError, match="must be a network of mmdet3d, but got convert='pointc"):
        build(
            dict(
                type='DistillDetector', student={}, terms={},
                teacher=dict(config={}, checkpoint='a.pth', convert='pointcept'),
            )
        )  # fmt: skip
