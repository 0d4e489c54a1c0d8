"""Loading that says what is wrong with a file, and the identity of raw points.

The transforms read what MMDetection3D's own read, from any backend, and refuse what those would
crash on later or train on silently. Letters: n points, D columns of a point.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.datasets.transforms import LoadAnnotations3D, LoadPointsFromFile
from mmdet3d.registry import TRANSFORMS
from mmengine.fileio import get

from .data_root import check_data_root, nearest_name

__all__ = [
    'AddPointIdentity', 'LoadPointsChecked', 'LoadSegAnnotationsChecked', 'check_data_root'
]  # fmt: skip

_EXACT = 2**24  # float32 counts exactly up to here


@TRANSFORMS.register_module()
class LoadPointsChecked(LoadPointsFromFile):
    """``LoadPointsFromFile`` that refuses missing, truncated and non-finite point files.

    Takes the same arguments.

    Raises:
        FileNotFoundError: If the file does not exist; names the nearest one that does.
        ValueError: If the file is empty, is no whole number of points, or holds NaN or infinity.
    """

    def _load_points(self, pts_filename: str) -> np.ndarray:
        width = 4 * self.load_dim
        values = _read(
            super()._load_points, pts_filename, 'points', self.backend_args, width,
            f'points of {self.load_dim} float32 values, {width} bytes each',
        )  # fmt: skip
        points = values.reshape(-1, self.load_dim)[:, self.use_dim]  # (n, D)
        if len(points) == 0:
            raise ValueError(f'points file {pts_filename} is empty, expected at least one point')
        broken = ~np.isfinite(points)
        if broken.any():
            rows = broken.any(1)
            what = 'coordinates' if broken[:, :3].any() else 'features'
            raise ValueError(
                f'points file {pts_filename} has NaN or infinite {what} in {int(rows.sum())} of '
                f'{len(points)} points, the first is point {int(rows.argmax())}; expected finite '
                'numbers'
            )
        return values


@TRANSFORMS.register_module()
class LoadSegAnnotationsChecked(LoadAnnotations3D):
    """``LoadAnnotations3D`` that refuses masks which do not fit their points.

    In training it also warns, once per scan and worker process, of masks without any valid label:
    such a scan adds nothing to the task loss. Takes the same arguments.

    Raises:
        FileNotFoundError: If a mask does not exist; names the nearest one that does.
        ValueError: If a mask is truncated, of another length than the points, or holds an id that
            the data set's label mapping does not know.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._unlabelled: set[str] = set()

    def _load_semantic_seg_3d(self, results: dict) -> dict:
        path = results['pts_semantic_mask_path']
        self._load_mask(super()._load_semantic_seg_3d, results, path, np.dtype(self.seg_3d_dtype))
        mask = results['pts_semantic_mask']
        _check_length('semantic', path, mask, results)
        mapping = results.get('seg_label_mapping')
        if mapping is None or len(mask) == 0:
            return results
        strange = (mask < 0) | (mask >= len(mapping))
        if strange.any():
            raise ValueError(
                f'semantic mask {path} has label id {int(mask[strange][0])} in point '
                f'{int(strange.argmax())}, expected ids 0 to {len(mapping) - 1} as the label '
                f'mapping of {_dataset_name(results)} knows them'
            )
        self._warn_of_unlabelled(path, mapping[mask], results)
        return results

    def _load_masks_3d(self, results: dict) -> dict:
        path = results['pts_instance_mask_path']
        self._load_mask(super()._load_masks_3d, results, path, np.dtype(np.int64))
        _check_length('instance', path, results['pts_instance_mask'], results)
        return results

    def _load_mask(self, load: Callable, results: dict, path: str, dtype: np.dtype) -> None:
        _read(lambda _: load(results), path, 'mask', self.backend_args, dtype.itemsize,
              f'one {dtype.name} label per point, {dtype.itemsize} bytes each')  # fmt: skip

    def _warn_of_unlabelled(self, path: str, label: np.ndarray, results: dict) -> None:
        ignored = getattr(results.get('dataset'), 'ignore_index', None)  # present in training only
        if ignored is None or path in self._unlabelled or (label != ignored).any():
            return
        self._unlabelled.add(path)
        warnings.warn(
            f'semantic mask {path} has no valid label: all {len(label)} points map to the ignored '
            f'label {ignored}, so the scan adds nothing to the task loss',
            stacklevel=2,
        )


@TRANSFORMS.register_module()
class AddPointIdentity(BaseTransform):
    """Append two columns to the points: row number in the file, and ``sample_idx`` of the scan.

    They survive every transform, cropping and mixing of scans included, and say which point of
    which file a training point was: what is stored per raw point finds its rows again.
    ``VoxelSegDataPreprocessor(identity_columns=True)`` takes them off and keeps them on the data
    sample. Matching itself needs them not: both networks see one augmented cloud. Place it right
    after loading.

    Required Keys:

    - points (:obj:`BasePoints`), ``(n, D)``
    - sample_idx (int)

    Modified Keys:

    - points, ``(n, D + 2)``

    Raises:
        ValueError: If a number exceeds 2^24, from where float32 does not count exactly.
    """

    def transform(self, results: dict) -> dict:
        """Append the columns."""
        points, slot = results['points'], int(results['sample_idx'])
        for what, count in (('points', len(points)), ('scans', slot)):
            if count > _EXACT:
                raise ValueError(
                    f'AddPointIdentity numbers at most 2^24 = {_EXACT} {what} exactly in float32, '
                    f'got {count} in {results.get("lidar_path", "a scan without a path")}'
                )
        row = torch.arange(len(points), dtype=points.tensor.dtype)
        identity = torch.stack([row, torch.full_like(row, slot)], 1)  # (n, 2)
        tensor = torch.cat([points.tensor, identity], 1)
        results['points'] = type(points)(
            tensor, points_dim=tensor.shape[1], attribute_dims=points.attribute_dims
        )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def _read(load: Callable, path: str, kind: str, backend_args: dict | None, width: int,
          expected: str):  # fmt: skip
    """Call a loader; put its failures, and sizes that are no multiple of ``width``, into words."""
    size = None
    try:
        content = load(path)
        if isinstance(content, np.ndarray):
            size = content.nbytes
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f'{kind} file {path} does not exist; {nearest_name(path)}'
        ) from error
    except ValueError as error:  # numpy on bytes that are no whole number of values
        size = len(get(path, backend_args=backend_args))
        if size % width == 0:
            raise
        content, cause = None, error
    else:
        cause = None
    if size is not None and size % width:
        raise ValueError(
            f'{kind} file {path} is truncated or of another layout: {size} bytes, expected a '
            f'multiple of {width} ({expected})'
        ) from cause
    return content


def _check_length(kind: str, path: str, mask: np.ndarray, results: dict) -> None:
    points = results.get('points')
    if points is not None and len(mask) != len(points):
        raise ValueError(
            f'{kind} mask {path} has {len(mask)} labels, expected {len(points)}: one per point of '
            f'{results.get("lidar_path", "its scan")}'
        )


def _dataset_name(results: dict) -> str:
    dataset = results.get('dataset')
    return 'the data set' if dataset is None else type(dataset).__name__
