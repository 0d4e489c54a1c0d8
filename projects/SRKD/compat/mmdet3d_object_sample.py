"""Which objects ``ObjectSample`` pastes follows from the scan's random numbers alone.

Breaks: each process walks through its own shuffled list of objects, so what a scan gets follows
    from all scans before it: it changes with the number of workers, and after a resume.
Where: mmdet3d 1.4.0 ``datasets/transforms/dbsampler.py``: ``BatchSampler._sample``.
Delete when: the sampler keeps no place in a list between two scans.
"""

import random
from importlib.util import find_spec


def _sample(self, num: int) -> list[int]:
    """Stands for mmdet3d's method: ``num`` different objects, or all if there are fewer."""
    return random.sample(range(self._example_num), min(num, self._example_num))


def apply() -> bool:
    """Replace the walk by a draw."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.datasets.transforms.dbsampler import BatchSampler

    BatchSampler._sample = _sample
    return True
