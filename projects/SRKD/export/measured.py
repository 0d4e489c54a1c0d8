"""What a file is worth beside the network that it was made of: error, time, size, score."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import NamedTuple

import numpy as np
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from torch import nn

from ..analysis.networks import predict
from ..analysis.report import markdown_table
from ..datasets import check_data_root

HEADLINES = (
    'miou', 'NDS', 'mAP', 'Overall_BEV_AP40_moderate', 'Overall_3D_AP40_moderate',
    '_BEV_AP40_moderate_strict', '_3D_AP40_moderate_strict',
)  # fmt: skip
"""Ends of the names of scores that stand for a test."""

Arrays = Mapping[str, np.ndarray]


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: The file's, or ``torch``.
        size: Bytes of the file; None for torch.
        ms: Milliseconds per scan, of the graph alone.
        error: Largest of :func:`output_error` against torch; None for torch.
        scores: Of the test set, by name; empty if it was not asked for.
    """

    name: str
    size: int | None
    ms: float
    error: float | None
    scores: Mapping[str, float]


def output_error(found: Sequence[Arrays], wanted: Sequence[Arrays]) -> float:
    """Root mean square of the difference over that of the wanted values, of the worst output.

    Args:
        found: Outputs by name, one mapping per scan.
        wanted: The same of the original.

    Example:
        >>> one = [dict(a=np.array([3.0, 4.0]))]
        >>> output_error([dict(a=np.array([3.0, 4.5]))], one)
        0.1
    """
    errors = []
    for name in wanted[0]:
        want = np.concatenate([scan[name].ravel() for scan in wanted]).astype(np.float64)
        have = np.concatenate([scan[name].ravel() for scan in found]).astype(np.float64)
        size = np.linalg.norm(want)
        errors.append(np.linalg.norm(have - want) / size if size else np.abs(have).max())
    return float(max(errors))


def timed(run: Callable[[Arrays], Arrays], scans: Sequence[Arrays]) -> tuple[list[Arrays], float]:
    """Outputs for each scan, and the median milliseconds, after one scan of warm-up."""
    run(scans[0])
    outputs, taken = [], []
    for scan in scans:
        began = time.perf_counter()
        outputs.append(run(scan))
        taken.append(1e3 * (time.perf_counter() - began))
    return outputs, statistics.median(taken)


def scores_of(cfg: Config, network: nn.Module) -> dict[str, float]:
    """Headline scores of a network on the test set of a config, scan by scan.

    Args:
        cfg: See :func:`projects.SRKD.analysis.networks.read_plain`.
        network: In eval mode; see :func:`~projects.SRKD.export.answered.answered_by`.
    """
    check_data_root(cfg, ['test'])
    with _quiet():
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
        evaluator = Evaluator(cfg.test_evaluator)
        evaluator.dataset_meta = dataset.metainfo
        for index in range(len(dataset)):
            batch = pseudo_collate([dataset[index]])
            evaluator.process(data_samples=[predict(network, batch)], data_batch=batch)
        return headlines(evaluator.evaluate(len(dataset)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Tables of all classes that evaluators print."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logger.setLevel(before)


def headlines(scores: Mapping[str, float]) -> dict[str, float]:
    """The few of many scores that stand for a test, by their last name.

    Example:
        >>> headlines({'acc': 0.9, 'miou': 0.5, 'wall': 0.7})
        {'miou': 0.5}
        >>> names = ('Overall_3D_AP40_moderate', 'Car_3D_AP40_moderate_strict')
        >>> headlines({f'KITTI/{name}': 1.0 for name in names})
        {'Overall_3D_AP40_moderate': 1.0}
    """
    found = {key.split('/')[-1]: value for key, value in scores.items() if key.endswith(HEADLINES)}
    overall = {key: value for key, value in found.items() if not key.endswith('_strict')}
    return overall or found


def table(rows: Sequence[Row]) -> str:
    """Rows side by side, in Markdown."""
    names = list(rows[0].scores)
    return markdown_table(
        ['network', 'bytes', 'ms/scan', 'error', *names],
        [
            [
                row.name,
                '-' if row.size is None else f'{row.size:,}',
                f'{row.ms:.1f}',
                '-' if row.error is None else f'{row.error:.2g}',
                *(f'{row.scores[name]:.2f}' for name in names),
            ]
            for row in rows
        ],
    )
