"""Detectors' projects parse; those of segmentation are tried by test_new_project."""

from pathlib import Path

import pytest
from mmengine.config import Config

from projects.SRKD import configs
from projects.SRKD.commands.kinds import KINDS, inner
from projects.SRKD.commands.schedule import stretched
from projects.SRKD.commands.teachers import TeacherFiles
from projects.SRKD.commands.writing import Recipe, alone_text, data_text, distilled_text

DETECTORS = [name for name, kind in KINDS.items() if kind.family]


def written(folder, like, student='4x', method='pointdistiller', **changes):
    kind = KINDS[like]
    teacher = TeacherFiles(kind.base, '/weights/teacher.pth')
    recipe = Recipe(kind, Path('/mine'), student, teacher, method, None, False, 3)
    recipe = recipe._replace(**changes)
    for name, text in (('data', data_text), ('alone', alone_text), ('distilled', distilled_text)):
        (folder / f'{name}.py').write_text(text(recipe))
    return [Config.fromfile(folder / f'{name}.py') for name in ('alone', 'distilled')]


@pytest.mark.parametrize('like', DETECTORS)
def test_a_detectors_project_reads_her_data_everywhere(like, tmp_path):
    alone, distilled = written(tmp_path, like)
    for split in ('train', 'val', 'test'):
        assert inner(alone, split).data_root == '/mine/'
    assert alone.train_dataloader.batch_size == 3
    was = KINDS[like].config().data_root
    for part in ('train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator',
                 'test_evaluator'):  # fmt: skip
        assert was not in str(alone[part]), part
    assert alone.val_evaluator.ann_file.startswith('/mine/')
    assert alone.model.type == 'CompressedDetector' and alone.model.compression == 4
    assert distilled.model.type == 'DistillDetector' and distilled.model.student == alone.model
    assert distilled.model.teacher == dict(
        config=configs(KINDS[like].base), checkpoint='/weights/teacher.pth'
    )


@pytest.mark.parametrize('like', DETECTORS)
def test_a_detectors_schedule_can_be_stretched(like, tmp_path):
    alone, _ = written(tmp_path, like)
    path = tmp_path / 'alone.py'
    path.write_text(path.read_text() + stretched(alone, 2))
    cfg = Config.fromfile(path)
    assert cfg.train_cfg.max_epochs == 2 and cfg.train_cfg.val_interval in (1, 2)
    assert {part.end for part in cfg.param_scheduler} <= {1, 2}


@pytest.mark.parametrize('like', [name for name, kind in KINDS.items() if not kind.family])
def test_every_kind_of_segmentation_reads_her_data(like, tmp_path):
    alone, distilled = written(
        tmp_path, like, 'ptv3-mini-s', 'srkd',
        teacher=TeacherFiles('mini/ptv3-mini-s_1xb4-15e_mini-pandaset.py', '/t.pth'),
    )  # fmt: skip
    for split in ('train', 'val', 'test'):
        assert inner(alone, split).data_root == '/mine/'
        assert inner(alone, split).pipeline == inner(KINDS[like].config(), split).pipeline
    assert distilled.model.super_voxels == KINDS[like].config().super_voxels
