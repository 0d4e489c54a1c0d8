import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from toy import build

from projects.SRKD import configs
from projects.SRKD.base import UsageError
from projects.SRKD.commands.kinds import KINDS
from projects.SRKD.commands.students import (
    ROOMS,
    STREETS,
    STUDENTS,
    bases,
    body,
    check_student,
)

# The shipped config that a student's own text must agree with.
SHIPPED = {
    ('half', 'scannet'): 'srkd/ptv3-half_4xb2-800e_scannet-seg.py',
    ('ptv3-base', 'scannet200'): 'srkd/ptv3-base_4xb2-800e_scannet200-seg.py',
    ('half', 'semantickitti'): 'srkd/ptv3-half_4xb2-50e_semantickitti.py',
    ('minkunet18', 'nuscenes'): 'srkd/minkunet18-w20_4xb2-50e_nuscenes-lidarseg.py',
    ('minkunet18-w16', 'scannet'): 'srkd/minkunet18-w16_4xb2-800e_scannet-seg.py',
    ('minkunet34', 'semantickitti'): 'srkd/minkunet34-w20_4xb2-50e_semantickitti.py',
    ('litept', 'nuscenes'): 'srkd/litept-s_4xb2-50e_nuscenes-lidarseg.py',
    ('pointpillars', 'semantickitti'): 'srkd/pointpillars_4xb2-50e_semantickitti.py',
    ('ptv3-mini-s', 'mini-scannet'): 'mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
    ('ptv3-mini-s', 'mini-pandaset'): 'mini/ptv3-mini-s_1xb4-15e_mini-pandaset.py',
    ('minkunet-mini', 'mini-semantickitti-frames'):
        'mini/minkunet-mini_1xb4-15e_mini-semantickitti-frames.py',
}  # fmt: skip
CLASSES = {'scannet200': 200, 'nuscenes': 16, 'mini-pandaset': 12}


@pytest.mark.parametrize('student, like', SHIPPED)
def test_a_students_text_is_the_shipped_config(student, like, tmp_path):
    kind, shipped = KINDS[like], Config.fromfile(configs(SHIPPED[student, like]))
    network, *others = bases(student, kind)
    count = CLASSES.get(like, 19 if 'semantickitti' in like else 20)
    path = tmp_path / 'alone.py'
    path.write_text(
        f'_base_ = {[configs(network), *map(configs, others)]!r}\n{body(student, kind, count)}'
    )
    cfg = Config.fromfile(path)
    assert cfg.model == shipped.model
    assert cfg.train_cfg == shipped.train_cfg and cfg.default_hooks == shipped.default_hooks


def test_every_student_is_built_on_every_place_that_it_is_for(tmp_path):
    init_default_scope('mmdet3d')
    for name, student in STUDENTS.items():
        for place, like in ((ROOMS, 'mini-scannet'), (STREETS, 'mini-pandaset')):
            if place not in student.places or not student.mini:
                continue
            path = tmp_path / f'{name}_{place}.py'
            network = configs(bases(name, KINDS[like])[0])
            path.write_text(f'_base_ = {[network]!r}\n{body(name, KINDS[like], 3)}')
            assert build(Config.fromfile(path).model).decode_head.num_classes == 3


@pytest.mark.parametrize(
    'student, like, said',
    [
        (
            'minkunet19',
            'scannet',
            r"--student must be one of \['half.*'minkunet19', nearest: 'mink",
        ),
        ('5x', 'kitti', r"--student must be one of \['2x', .* but got '5x', nearest"),
        ('pointpillars', 'scannet', "for rooms, but got 'pointpillars', which is for streets"),
    ],
)
def test_a_student_that_is_not_there_names_the_nearest(student, like, said):
    with pytest.raises(UsageError, match=said):
        check_student(student, KINDS[like])
