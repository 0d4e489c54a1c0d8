"""Logs whether the scans of a mini-batch are worth comparing.

Shape letters: B scans of a mini-batch, L classes.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from mmdet3d.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner

from ..base import UsageError
from ..datasets.batches.batch_composition import same_place
from ..datasets.batches.cross_sample_batch_sampler import WINDOW
from ..datasets.batches.scene_rule import scene_of


@HOOKS.register_module()
class BatchCompositionHook(Hook):
    """Logs the share of cross-scene pairs and their mean class overlap.

    Read off the data samples of each mini-batch as they enter the model, so after cropping and
    augmentation, whichever sampler made the batch. Logged are means over the pairs of the last
    ``interval`` iterations, on the main process:

    * ``cross_scene_pairs``: share of pairs that do not show one place (another scene, or the same
      sequence ``window`` seconds later); needs ``lidar_path`` among the meta keys.
    * ``class_overlap``: classes that both scans hold, over classes that either holds (Jaccard);
      classes of labeled points, or of boxes if there is no semantic mask. Pairs in which neither
      scan holds a class are left out.

    Args:
        interval: Iterations averaged over; None takes the interval of ``LoggerHook``.
        window: Seconds; None takes the window of the batch sampler, or its default.
    """

    def __init__(self, interval: int | None = None, window: float | None = None) -> None:
        if interval is not None and interval <= 0:
            raise UsageError(
                f'interval must be a positive number of iterations, but got interval={interval}'
            )
        self.interval = interval
        self.window = window

    def before_train(self, runner: Runner) -> None:
        """Find interval, window and number of classes."""
        loggers = (hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook))
        loader = runner.train_dataloader
        classes = getattr(loader.dataset, 'metainfo', {}).get('classes')
        window = self.window
        if window is None:
            window = getattr(loader.batch_sampler, 'window', WINDOW)
        self._window = window
        self._n_classes = None if classes is None else len(classes)
        self._sums = deque(maxlen=self.interval or next(loggers, 10))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Count the pairs of this mini-batch."""
        samples = data_batch.get('data_samples') if isinstance(data_batch, dict) else None
        if not samples or not is_main_process():
            return
        self._sums.append(
            (*cross_scene_pairs(samples, self._window), *class_overlap(samples, self._n_classes))
        )
        cross, pairs, overlap, compared = np.sum(self._sums, axis=0)
        if pairs:
            runner.message_hub.update_scalar('train/cross_scene_pairs', cross / pairs)
        if compared:
            runner.message_hub.update_scalar('train/class_overlap', overlap / compared)


def cross_scene_pairs(samples: list, window: float) -> tuple[int, int]:
    """Pairs of different places among B data samples, and pairs in all.

    A batch in which a sample has no ``lidar_path`` counts as (0, 0).
    """
    paths = [sample.metainfo.get('lidar_path') for sample in samples]
    if not all(paths):
        return 0, 0
    scenes, times = zip(*map(scene_of, paths))
    scene = np.unique(scenes, return_inverse=True)[1]  # (B,)
    time = np.array(times)  # (B,)
    i, j = np.triu_indices(len(samples), k=1)  # (B (B - 1) / 2,)
    return int((~same_place(scene[i], time[i], scene[j], time[j], window)).sum()), len(i)


def class_overlap(samples: list, n_classes: int | None = None) -> tuple[float, int]:
    """Sum of the Jaccard overlaps of all pairs of B data samples, and the pairs compared.

    Args:
        samples: With labels of points or of boxes; without either the result is (0.0, 0).
        n_classes: L; labels outside 0 .. L - 1 (the ignored one) don't count, None: negative ones.
    """
    labels = [_labels(sample) for sample in samples]
    if any(label is None for label in labels):
        return 0.0, 0
    # counting is linear where `unique` would sort 100,000 labels per scan; -1 is counted apart
    counts = [torch.bincount(label.long().clip(min=-1) + 1)[1:][:n_classes] for label in labels]
    held = [set(count.nonzero().flatten().tolist()) for count in counts]
    pairs = [(a, b) for i, a in enumerate(held) for b in held[:i] if a | b]
    return sum((len(a & b) / len(a | b) for a, b in pairs), 0.0), len(pairs)


def _labels(sample) -> torch.Tensor | None:
    if 'pts_semantic_mask' in sample.get('gt_pts_seg', {}):
        return sample.gt_pts_seg.pts_semantic_mask
    if 'labels_3d' in sample.get('gt_instances_3d', {}):
        return sample.gt_instances_3d.labels_3d
    return None
