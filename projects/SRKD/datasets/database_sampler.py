"""Ground-truth sampling that says before the first step what it cannot do.

Both classes stand behind mmdet3d's own names, so that every config has them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
from mmdet3d.datasets.transforms import DataBaseSampler, ObjectSample
from mmdet3d.registry import TRANSFORMS
from mmengine.logging import print_log

from ..base import FileMissingError, UsageError, nearest_name, nearest_path
from .database_values import check_database
from .infos.kitti_planes import is_plane


@TRANSFORMS.register_module(name='DataBaseSampler', force=True)
class CheckedDataBaseSampler(DataBaseSampler):
    """``DataBaseSampler`` that numbers classes as its data set does, if it has objects of them.

    mmdet3d's pastes under the numbers of its own list, and ends in a ``KeyError``, or in a stack of
    nothing, at the first frame that asks for a class without an object.

    Args:
        info_path: Database of objects, by class.
        data_root: Folder of their points.
        rate: See ``DataBaseSampler``.
        prepare: Filters of the database and their values.
        sample_groups: Class -> objects of it in a frame.
        classes: Names in the order of the labels.
        kwargs: As for ``DataBaseSampler``.

    Raises:
        FileMissingError: If the database is not there.
        UsageError: If the database is none, a filter is unknown, or a class to be sampled is not
            in ``classes``.
    """

    def __init__(
        self,
        info_path: str,
        data_root: str,
        rate: float,
        prepare: Mapping,
        sample_groups: Mapping[str, int],
        classes: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        if '://' not in str(info_path) and not os.path.isfile(info_path):
            raise FileMissingError(
                f'info_path of db_sampler, {info_path}, does not exist (looked from '
                f'{os.getcwd()}): it is written together with the info files; '
                f'{nearest_path(info_path)}'
            )
        if not classes:
            raise UsageError(
                'db_sampler has no classes, expected those of the data set in the same order'
            )
        for name in sample_groups:
            if name not in classes:
                raise UsageError(
                    f'sample_groups of db_sampler has {name!r}, expected some of '
                    f'{", ".join(classes)}; the nearest is {nearest_name(name, classes)!r}'
                )
        filters = [name for name in dir(DataBaseSampler) if name.startswith('filter_by')]
        for name in prepare:
            if name not in filters:
                raise UsageError(
                    f'prepare of db_sampler has {name!r}, expected some of {", ".join(filters)}; '
                    f'the nearest is {nearest_name(name, filters)!r}'
                )
        difficulty = ['difficulty'] if 'filter_by_difficulty' in prepare else []
        check_database(info_path, list(sample_groups), ['num_points_in_gt', *difficulty], data_root)
        super().__init__(
            info_path, data_root, rate, prepare, sample_groups, list(classes), **kwargs
        )

    def follow(self, names: Sequence[str]) -> None:
        """Number classes as a data set does, and paste none that it does not have.

        Args:
            names: The data set's classes, in the order of its labels.

        Raises:
            UsageError: If none of them is to be sampled, or one of which there is no object.
        """
        own = list(zip(self.sample_classes, self.sample_max_nums))
        shared = [(name, count) for name, count in own if name in names]
        if own and not shared:
            raise UsageError(
                f'sample_groups of db_sampler has {", ".join(self.sample_classes)}, but the data '
                f'set has the classes {", ".join(names)}: none is in both lists'
            )
        if list(self.classes) != list(names):
            left = ', '.join(name for name in self.sample_classes if name not in names)
            print_log(
                f'ObjectSample follows metainfo.classes, {", ".join(names)}, in place of its own '
                f'{", ".join(self.classes)}' + (f'; it pastes no {left}' if left else ''),
                logger='current',
            )
        self.classes = list(names)
        self.cat2label = {name: label for label, name in enumerate(names)}
        self.label2cat = dict(enumerate(names))
        self.sample_classes = [name for name, _ in shared]
        self.sample_max_nums = [count for _, count in shared]
        for name, count in shared if self.rate > 0 else ():
            if count > 0:
                self._check_objects(name)

    def sample_class_v2(self, name: str, num: int, gt_bboxes: np.ndarray) -> list[dict]:
        """Draw objects of a class, see ``DataBaseSampler``."""
        self._check_objects(name)
        return super().sample_class_v2(name, num, gt_bboxes)

    def _check_objects(self, name: str) -> None:
        if self.db_infos.get(name):
            return
        known = ', '.join(key for key, objects in self.db_infos.items() if objects) or 'no class'
        kept = f' that prepare={dict(self.prepare)} keeps' if name in self.db_infos else ''
        raise UsageError(
            f'{self.info_path} has no object of class {name!r}{kept}, but sample_groups asks for '
            f'some (there are objects of: {known}): leave the class out of sample_groups, or write '
            'the database from frames that have it'
        )

    @staticmethod
    def filter_by_min_points(db_infos: dict, min_gt_points_dict: Mapping[str, int]) -> dict:
        """Filter by number of points; classes that the database does not have are passed over."""
        known = {name: least for name, least in min_gt_points_dict.items() if name in db_infos}
        return DataBaseSampler.filter_by_min_points(db_infos, known)


@TRANSFORMS.register_module(name='ObjectSample', force=True)
class CheckedObjectSample(ObjectSample):
    """``ObjectSample`` that names the frame whose ground plane is missing or no plane."""

    def transform(self, input_dict: dict) -> dict:
        """Paste objects into a frame, see ``ObjectSample``.

        Raises:
            UsageError: If ``use_ground_plane`` is on and the frame has no ``plane`` of 4 numbers.
        """
        if self.use_ground_plane and not self.disabled:
            plane = input_dict.get('plane')
            if not is_plane(plane):
                frame = input_dict.get('lidar_path', input_dict.get('sample_idx', 'a frame'))
                raise UsageError(
                    f'ObjectSample has use_ground_plane=True, but the plane of {frame} is '
                    f'{None if plane is None else list(plane)}, expected 4 numbers: put the '
                    'ground planes into training/planes and write the info files again, or set '
                    'use_ground_plane=False'
                )
        return super().transform(input_dict)
