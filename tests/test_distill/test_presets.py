"""Every method in ``configs/_base_/distill`` trains a pair of PTv3 with four decoder stages."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from toy import batch, distiller, ptv3, save_checkpoint, total

METHODS = sorted((Path(__file__).parents[2] / 'configs/_base_/distill').glob('*.py'))


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
    model = distiller(five_stages(8), teacher, checkpoint, **terms)
    losses = model.loss(**model.data_preprocessor(batch((400, 300)), training=True))
    assert {f'loss_{name}' for name in terms} <= set(losses)
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(losses[f'loss_{name}'] > 0 for name in terms)
    total(losses).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
