"""Class-balanced sampling names the class that has no object.

Breaks: ``CBGSDataset`` divides by the number of frames of each class; a class without an object in
    the info file ends in ``ZeroDivisionError: float division by zero``.
Where: mmdet3d 1.4.0 ``datasets/dataset_wrappers.py``: ``CBGSDataset._get_sample_indices``.
Delete when: mmdet3d names such classes, or leaves them out.
"""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from ..base import UsageError


def _named(original: Callable) -> Callable:

    @wraps(original)
    def get_sample_indices(self, dataset) -> list[int]:
        try:
            return original(self, dataset)
        except ZeroDivisionError:
            found = {label for i in range(len(dataset)) for label in dataset.get_cat_ids(i)}
            classes = enumerate(self.metainfo['classes'])
            absent = [name for label, name in classes if label not in found]
            raise UsageError(
                f'CBGSDataset balances the classes of {dataset.ann_file}, which has no object of '
                f'{", ".join(absent)}: leave it out of metainfo.classes and of the head, or take '
                'the data set without CBGSDataset'
            ) from None

    get_sample_indices.original = original
    return get_sample_indices


def apply() -> bool:
    """Put the division's error into words."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.datasets import CBGSDataset

    if not hasattr(CBGSDataset._get_sample_indices, 'original'):
        CBGSDataset._get_sample_indices = _named(CBGSDataset._get_sample_indices)
    return True
