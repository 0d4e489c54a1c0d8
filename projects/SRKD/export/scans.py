"""Scans of a config as inputs of a graph."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import pseudo_collate
from torch import nn

from ..base.checks import check_count
from ..datasets import check_data_root
from .answered import named_inputs
from .graphs import Graph


def training_scans(cfg: Config, count: int) -> Iterator[dict]:
    """Scans of the training set, evenly spaced, through the pipeline of the test set.

    Calibration asks for what the network will see: no augmentation, no drawn objects.

    Args:
        cfg: See :func:`projects.SRKD.analysis.networks.read_plain`.
        count: How many; all of a smaller set.

    Returns:
        Batches of one scan each.

    Raises:
        FileMissingError: If the data root does not exist.
        UsageError: If ``count`` is no whole number of at least 1.
    """
    check_count(calibrate=count)
    check_data_root(cfg, ['train'])
    config = cfg.train_dataloader.dataset
    while 'dataset' in config:  # repeated, balanced by class, partly labeled
        config = config.dataset
    pipeline = cfg.test_dataloader.dataset.pipeline
    config = ConfigDict(copy.deepcopy(config), pipeline=copy.deepcopy(pipeline), test_mode=True)
    dataset = DATASETS.build(config)
    for index in np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int):
        yield pseudo_collate([dataset[int(index)]])


@torch.no_grad()
def inputs_of(network: nn.Module, graph: Graph, batch: Mapping) -> dict[str, np.ndarray]:
    """What the ONNX file takes of a batch of one scan, by name."""
    data = network.data_preprocessor(copy.deepcopy(batch), False)
    return named_inputs(graph, data['inputs']['voxels'])
