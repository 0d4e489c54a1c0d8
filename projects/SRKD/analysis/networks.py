"""Networks and scenes of a config, without a runner."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from torch import nn

from ..base import UsageError
from ..datasets import check_data_root
from ..engine.config_file import load_config, merge_options


def read_plain(config: str | Path, cfg_options: dict | None = None) -> Config:
    """Read a config; of a distillation config, ``model`` becomes the student.

    Raises:
        UsageError: If the file does not exist or cannot be read.
    """
    cfg = load_config(config)
    merge_options(cfg, cfg_options or {})
    return plain_config(cfg)


def plain_config(cfg: Config) -> Config:
    """The config of the network that is tested: of a distillation config, the student's."""
    cfg = cfg.copy()
    cfg.model = cfg.model.get('student', cfg.model)
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    return cfg


def build_network(
    cfg: Config, checkpoint: str | Path | None = None, device: str = 'cpu'
) -> nn.Module:
    """Build a config's model in eval mode and load weights strictly.

    Args:
        cfg: See :func:`read_plain`.
        checkpoint: File of weights; None leaves them random, enough for counting.
        device: Where the network goes.
    """
    # A copy: constructors of mmdet3d edit the lists of their config.
    network = MODELS.build(ConfigDict(cfg.model.to_dict()))
    if checkpoint is not None:
        load_checkpoint(network, str(checkpoint), map_location='cpu', strict=True)
    return network.to(device).eval()


def read_scenes(cfg: Config, first: int = 0, count: int = 1) -> list[dict[str, Any]]:
    """Load scenes of the test set through the test pipeline, as one batch each.

    Raises:
        FileMissingError: If the data root of the test set does not exist.
        UsageError: If the test set has fewer scenes.
    """
    check_data_root(cfg, ['test'])
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    if first + count > len(dataset):
        raise UsageError(
            f'scene {first + count - 1} asked for, test_dataloader.dataset has {len(dataset)}'
        )
    return [pseudo_collate([dataset[i]]) for i in range(first, first + count)]


def every_scene(cfg: Config) -> Iterator[dict[str, Any]]:
    """Load the scenes of the test set one after the other, as :func:`read_scenes` does."""
    check_data_root(cfg, ['test'])
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    for index in range(len(dataset)):
        yield pseudo_collate([dataset[index]])


@torch.no_grad()
def predict(network: nn.Module, batch: dict[str, Any]) -> Any:
    """Run a batch of one scene from raw points to labels; returns its data sample."""
    return network.test_step(batch)[0]
