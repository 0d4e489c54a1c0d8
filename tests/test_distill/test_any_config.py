"""Any config either takes a training step with a finite loss, or is refused in a sentence.

``SRKD_EXAMPLES=5000`` draws so many new ones; without it they are few and always the same.
"""

import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import any_configs
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from mmdet3d.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.runner import Runner
from toy import batch, save_checkpoint
from toy_detectors import pointpillars, scenes
from toy_training import plain_config

from projects.SRKD.base import UsageError
from projects.SRKD.preflight import check_config
from projects.SRKD.preflight.loaders import check_epoch_has_steps

MANY = int(os.environ.get('SRKD_EXAMPLES', 0))
SEGMENTOR_TAPS = ['backbone', 'backbone.stem', 'backbone.last', 'decode_head.conv_seg',
                  'decode_head', 'decode_head.dropout']  # fmt: skip
DETECTOR_TAPS = ['voxel_encoder', 'middle_encoder', 'backbone.blocks.0', 'neck', 'backbone',
                 'bbox_head.conv_cls', 'bbox_head.conv_reg', 'bbox_head.conv_dir_cls']  # fmt: skip


def drawn(examples):
    return settings(
        max_examples=MANY or examples, derandomize=not MANY, deadline=None, database=None,
        phases=[Phase.generate],  # to shrink an example of a training takes minutes
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.fixture(scope='module')
def teachers(tmp_path_factory):
    """Both teachers, as configs have them."""
    folder = tmp_path_factory.mktemp('teachers')
    configs = dict(
        DistillSegmentor=any_configs.toy_segmentor(6), DistillDetector=pointpillars(6, 0.64)
    )
    return {
        kind: dict(config=config, checkpoint=save_checkpoint(config, folder / f'{kind}.pth'))
        for kind, config in configs.items()
    }


def step(config, hooks, epoch, data):
    """One training step as ``tools/train.py`` comes to it; returns the loss and its parts."""
    cfg = Config(dict(model=config, custom_hooks=hooks))
    check_config(cfg, splits=())
    model = MODELS.build(cfg.model)
    for hook in map(HOOKS.build, cfg.custom_hooks):
        if hasattr(hook, 'scale'):
            model.set_distill_scale(hook.scale(epoch))
    model.init_weights()
    model.train()
    torch.manual_seed(0)
    losses = model.loss(**model.data_preprocessor(data, True))
    loss, parts = model.parse_losses(losses)
    loss.backward()
    return model, loss, parts


def refused(error):
    said = str(error)
    assert '\n' not in said and 10 < len(said) < 1500 and ' ' in said, said
    return 'refused'


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield


def judge(config, unknown, hooks, epoch, data):
    """Whether a config is refused or trains; fails where it does neither."""
    note(f'{config}, {hooks}')
    unknown = unknown or any(any_configs.UNKNOWN in str(hook) for hook in hooks)
    try:
        model, loss, parts = step(config, hooks, epoch, data)
    except UsageError as error:
        return refused(error)
    assert not unknown, 'an unknown key was passed over'
    assert torch.isfinite(loss), parts
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    return 'trained'


@drawn(100)
@given(data=st.data(), hooks=any_configs.hooks(), epoch=st.integers(0, 3))
def test_any_config_of_a_segmentor_trains_or_is_refused(teachers, data, hooks, epoch):
    losses = [*any_configs.OF_POINTS * 3, *any_configs.LOSSES]
    parts = any_configs.toy_segmentor(4), teachers['DistillSegmentor'], SEGMENTOR_TAPS, losses
    config, unknown = data.draw(any_configs.models('DistillSegmentor', *parts))
    judge(config, unknown, hooks, epoch, batch((40, 30)))


@drawn(40)
@given(data=st.data(), hooks=any_configs.hooks(), epoch=st.integers(0, 3))
def test_any_config_of_a_detector_trains_or_is_refused(teachers, data, hooks, epoch):
    parts = pointpillars(4, 0.64), teachers['DistillDetector'], DETECTOR_TAPS, any_configs.LOSSES
    config, unknown = data.draw(any_configs.models('DistillDetector', *parts))
    judge(config, unknown, hooks, epoch, scenes((60, 40)))


def judge_loader(config, unknown):
    """Whether a loader is refused or gives batches of scans that are there."""
    note(config)
    try:
        cfg = Config(dict(model=any_configs.toy_segmentor(4), train_dataloader=config))
        check_config(cfg, splits=())
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
        check_epoch_has_steps(SimpleNamespace(train_dataloader=loader))
        batches = list(loader.batch_sampler)
    except UsageError as error:
        return refused(error)
    assert not unknown, 'an unknown key was passed over'
    assert all(0 <= i < len(loader.dataset) for batch in batches for i in batch)
    assert len(batches) == len(loader) and batches
    assert loader.dataset[batches[0][0]]['data_samples'] is not None
    return 'trained'


@drawn(100)
@given(data=st.data())
def test_any_loader_of_few_labels_gives_batches_or_is_refused(data_root, data):
    dataset = plain_config(data_root, Path('none'), {}).train_dataloader.dataset.to_dict()
    judge_loader(*data.draw(any_configs.loaders(dataset)))
