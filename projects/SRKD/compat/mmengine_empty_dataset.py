"""A data set without samples says so.

Breaks: an info file that lists nothing, or nothing that the data set keeps, ends in numpy's
    ``ValueError: need at least one array to concatenate``.
Where: mmengine 0.10.7 ``dataset/base_dataset.py``: ``BaseDataset._serialize_data``.
Delete when: mmengine names the file.
"""
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from ..base import UsageError


def _asked(original: Callable) -> Callable:

    @wraps(original)
    def serialize_data(self):
        if not self.data_list:
            raise UsageError(f'the info file {self.ann_file} lists no sample for '
                             f'{type(self).__name__}, expected one at least')
        return original(self)

    serialize_data.original = original
    return serialize_data


def apply() -> bool:
    """Ask for samples before they are packed."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.dataset import BaseDataset
    if not hasattr(BaseDataset._serialize_data, 'original'):
        BaseDataset._serialize_data = _asked(BaseDataset._serialize_data)
    return True
