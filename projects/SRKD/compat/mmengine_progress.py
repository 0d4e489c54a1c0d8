"""Loops of mmdet3d's metrics say how far they are as ours do.

Breaks: a log of a test holds one state of a bar for every scan.
Where: mmengine 0.10.7 ``utils/progressbar.py``: ``track_iter_progress`` writes each of them,
    terminal or not; mmdet3d 1.4.0 calls it in ``evaluation/metrics`` (KITTI, nuScenes, Lyft).
Delete when: it writes a line every few seconds into what is no terminal.
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from ..base.progress import progress


def track_iter_progress(tasks: Sequence | tuple, bar_width: int = 50, file: Any = None) -> Iterator:
    """Stands for mmengine's; tasks are a sequence, or an iterable and the number of its items."""
    if isinstance(tasks, tuple) and len(tasks) == 2 and isinstance(tasks[1], int):
        return progress('scans', *tasks)
    return progress('scans', tasks)


def apply() -> bool:
    """Replace the function where it is looked up."""
    if find_spec('mmengine') is None:
        return False
    import mmengine
    from mmengine.utils import progressbar

    for module in (mmengine, mmengine.utils, progressbar):
        module.track_iter_progress = track_iter_progress
    return True
