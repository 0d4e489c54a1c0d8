"""Ground-truth sampling that says before the first step what it cannot do.

Both classes stand behind mmdet3d's own names, so that every config has them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

from mmdet3d.datasets.transforms import DataBaseSampler, ObjectSample
from mmdet3d.registry import TRANSFORMS

from ..base import FileMissingError, UsageError, nearest_name, nearest_path


@TRANSFORMS.register_module(name='DataBaseSampler', force=True)
class CheckedDataBaseSampler(DataBaseSampler):
    """``DataBaseSampler`` that refuses classes of which its database has no object.

    mmdet3d ends in a ``KeyError``, or in a stack of nothing, at the first frame that asks for one.

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
        UsageError: If a filter or a class is unknown, or a class to be sampled has no object.
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
        super().__init__(
            info_path, data_root, rate, prepare, sample_groups, list(classes), **kwargs
        )
        for name, wanted in sample_groups.items():
            if wanted > 0 and rate > 0 and not self.db_infos.get(name):
                known = ', '.join(key for key, objects in self.db_infos.items() if objects)
                what = (
                    f'no object of class {name!r} that prepare={dict(prepare)} keeps'
                    if name in self.db_infos
                    else f'no object of class {name!r}'
                )
                raise UsageError(
                    f'{info_path} has {what}, but sample_groups asks for {wanted} in a frame '
                    f'(there are objects of: {known or "no class"}): leave the class out of '
                    'sample_groups, or write the database from frames that have it'
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
            if plane is None or len(plane) != 4 or not all(map(math.isfinite, plane)):
                frame = input_dict.get('lidar_path', input_dict.get('sample_idx', 'a frame'))
                raise UsageError(
                    f'ObjectSample has use_ground_plane=True, but the plane of {frame} is '
                    f'{None if plane is None else list(plane)}, expected 4 numbers: put the '
                    'ground planes into training/planes and write the info files again, or set '
                    'use_ground_plane=False'
                )
        return super().transform(input_dict)
