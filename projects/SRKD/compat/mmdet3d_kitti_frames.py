"""KITTI submissions whose files carry the frames' names.

Breaks: the files of a submission are named by the position of a frame in the info file, so that
    KITTI's server scores each frame against another one's objects (the val split's third frame,
    000004, is written to 000002.txt).
Where: mmdet3d 1.4.0 ``evaluation/metrics/kitti_metric.py``: ``KittiMetric.bbox2result_kitti`` and
    ``bbox2result_kitti2d`` name files by ``sample_idx``, which mmengine's ``BaseDataset`` replaces
    by the position.
Delete when: they name files by the frame.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ..base import UsageError

METHODS = ('bbox2result_kitti', 'bbox2result_kitti2d')


def frame_name(info: Mapping) -> str:
    """Name of a frame, ``'000004'``: its LiDAR file's, else its image's, else its number.

    Args:
        info: Entry of an info file's ``data_list``.
    """
    path = info.get('lidar_points', {}).get('lidar_path')
    if not path:
        views = info.get('images', {}).values()
        path = next((view['img_path'] for view in views if view.get('img_path')), None)
    return Path(path).stem if path else f'{info["sample_idx"]:06d}'


def _by_frame(original: Callable) -> Callable:

    @wraps(original)
    def write(
        self,
        net_outputs: list,
        sample_idx_list: list,
        class_names: list,
        pklfile_prefix: str | None = None,
        submission_prefix: str | None = None,
    ) -> list:
        if submission_prefix is None:
            return original(self, net_outputs, sample_idx_list, class_names, pklfile_prefix)
        names = {index: frame_name(self.data_infos[index]) for index in sample_idx_list}
        name, count = Counter(names.values()).most_common(1)[0]
        if count > 1:
            raise UsageError(
                f'{self.ann_file} has {count} frames named {name}, expected one: '
                'their files of a submission would overwrite each other'
            )
        os.makedirs(submission_prefix, exist_ok=True)
        with TemporaryDirectory(dir=submission_prefix) as part:
            annos = original(self, net_outputs, sample_idx_list, class_names, pklfile_prefix, part)
            for index, name in names.items():
                os.replace(f'{part}/{index:06d}.txt', f'{submission_prefix}/{name}.txt')
        return annos

    write.original = original
    return write


def apply() -> bool:
    """Wrap both methods."""
    if find_spec('mmdet3d') is None:
        return False
    from mmdet3d.evaluation import KittiMetric

    for name in METHODS:
        if not hasattr(getattr(KittiMetric, name), 'original'):
            setattr(KittiMetric, name, _by_frame(getattr(KittiMetric, name)))
    return True
