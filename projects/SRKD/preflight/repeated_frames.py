"""Frames that train lists twice, and frames of val that are trained on: told, not refused."""

from __future__ import annotations

import os
from collections import Counter

from mmengine.runner import Runner

from .built import built_datasets, frames_of


def tell_repeated_frames(runner: Runner) -> None:
    """Count and name the same scan twice in an info file, and scans of train in val.

    Repetition by a wrapper or by ``scene_idxs`` is somebody's wish and no news.
    """
    seen: dict[str, Counter] = {}
    for split, dataset in built_datasets(runner):
        names = (frame.points for frame in frames_of(dataset))
        seen.setdefault(split, Counter()).update(os.path.abspath(name) for name in names if name)
    for split, counts in seen.items():
        again = [name for name, count in counts.items() if count > 1]
        if again:
            runner.logger.warning(f'{split} lists {len(again)} of its {len(counts)} scans more '
                                  f'than once, the first is {again[0]}')  # fmt: skip
    if 'train' not in seen:
        return
    for split in set(seen) - {'train'}:
        both = [name for name in seen[split] if name in seen['train']]
        if both:
            runner.logger.warning(
                f'{len(both)} of the {len(seen[split])} scans of {split} are trained on, the first '
                f'is {both[0]}: scores on them say nothing of new scans'
            )
