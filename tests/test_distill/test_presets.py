"""Every method in ``configs/_base_/distill`` trains a pair that it is made for.

Segmentation: two PTv3 with four decoder stages. Detection: every family that has a toy detector.
"""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from toy import batch, distiller, minkunet, ptv3, save_checkpoint, total
from toy_detectors import centerpoint, detector_distiller, pointpillars, scenes

PRESETS = sorted((Path(__file__).parents[2] / 'configs/_base_/distill').glob('*.py'))
METHODS = [path for path in PRESETS if 'terms' in Config.fromfile(path).distill]
# Family -> a detector that has its taps, and the code size of its boxes.
TOYS = dict(pointpillars=(pointpillars, 7), second=(pointpillars, 7), centerpoint=(centerpoint, 9))


def five_stages(width):
    return ptv3(
        width,
        stride=(2,) * 4,
        enc_depths=(1,) * 5,
        enc_channels=(width,) * 5,
        enc_num_head=(2,) * 5,
        enc_patch_size=(64,) * 5,
        dec_depths=(1,) * 4,
        dec_channels=(width,) * 4,
        dec_num_head=(2,) * 4,
        dec_patch_size=(64,) * 4,
    )


@pytest.mark.parametrize('path', METHODS, ids=lambda path: path.stem)
def test_a_method_takes_a_training_step(path, tmp_path):
    teacher = five_stages(16)
    checkpoint = save_checkpoint(teacher, tmp_path / 'teacher.pth')
    terms = Config.fromfile(path).distill.terms
    for term in terms.values():
        if 'threshold' in term.loss:
            term.loss.threshold = 0.1  # a teacher that was never trained is sure of nothing
    model = distiller(five_stages(8), teacher, checkpoint, **terms)
    losses = model.loss(**model.data_preprocessor(batch((400, 300)), training=True))
    assert {f'loss_{name}' for name in terms} <= set(losses)
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(losses[f'loss_{name}'] > 0 for name in terms)
    total(losses).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def finite_step(student, teacher, path, folder):
    """A step on 64 clouds of 1 to 50 points, those of one among them."""
    terms = Config.fromfile(path).distill.terms
    checkpoint = save_checkpoint(teacher, folder / 'teacher.pth')
    model = distiller(student, teacher, checkpoint, **terms)
    tiny = batch(tuple(1 + i % 50 for i in range(64)))
    losses = model.loss(**model.data_preprocessor(tiny, training=True))
    assert all(torch.isfinite(value) for value in losses.values()), losses
    total(losses).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize('path', METHODS, ids=lambda path: path.stem)
def test_a_method_takes_a_step_on_many_tiny_clouds(path, tmp_path):
    finite_step(five_stages(8), five_stages(16), path, tmp_path)


@pytest.mark.parametrize('student', [minkunet(8), ptv3(8)], ids=['minkunet', 'ptv3'])
def test_a_segmentor_takes_a_step_on_many_tiny_clouds(student, tmp_path):
    path = next(path for path in METHODS if path.stem == 'srkd')
    finite_step(student, ptv3(16), path, tmp_path)


@pytest.mark.parametrize('family', TOYS)
@pytest.mark.parametrize(
    'path', [path for path in PRESETS if path not in METHODS], ids=lambda path: path.stem
)
def test_a_method_of_detection_takes_a_training_step(path, family, tmp_path):
    terms = Config.fromfile(path).distill.get(family)
    if terms is None:
        assert path.stem == 'pointdistiller_released' and family == 'centerpoint'  # it has none
        return
    # the toy has two of nuScenes' six tasks
    terms = {name: term for name, term in terms.items() if name[-1] not in '2345'}
    make, code_size = TOYS[family]
    checkpoint = save_checkpoint(make(16), tmp_path / 'teacher.pth')
    model = detector_distiller(make(8), make(16), checkpoint, terms)
    data = model.data_preprocessor(scenes(code_size=code_size), training=True)
    losses = model.loss(**data)
    assert all(losses[f'loss_{name}'] > 0 for name in terms)
    loss, _ = model.parse_losses(losses)
    loss.backward()
    trained = [p for p in model.parameters() if p.requires_grad]
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in trained)
