"""Loading that says what is wrong with a file.

The transforms read what MMDetection3D's own read, from any backend, and refuse what those would
crash on later or train on silently. Letters: n points, D columns of a point.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from mmdet3d.datasets.transforms import loading
from mmdet3d.registry import TRANSFORMS
from mmengine.fileio import get

from ..base import FileMissingError, UsageError, nearest_path, renamed
from .few_labels.hidden_labels import HIDDEN, is_hidden
from .label_map import nearest_ids
from .point_values import check_point_values
from .sweep_values import check_sweeps

_WIDTHS = range(3, 10)  # columns a point may have


class _CheckedFiles:
    """``_load_points`` that judges the file and what it holds."""

    load_dim: int
    use_dim: Sequence[int]
    backend_args: dict | None
    feature_ranges: Mapping[int, tuple[float, float]] | None = None

    def _load_points(self, pts_filename: str) -> np.ndarray:
        width = 4 * self.load_dim
        values = _read(
            super()._load_points, pts_filename, 'points', self.backend_args, width,
            f'points of {self.load_dim} float32 values, {width} bytes each', _fitting_columns,
        )  # fmt: skip
        points = values.reshape(-1, self.load_dim)[:, self.use_dim]  # (n, D)
        if len(points) == 0:
            raise UsageError(f'points file {pts_filename} is empty, expected at least one point')
        told = self.feature_ranges or {}
        ranges = {i: told[column] for i, column in enumerate(self.use_dim) if column in told}
        check_point_values(points, pts_filename, ranges)
        return values


@TRANSFORMS.register_module(force=True)
class LoadPointsFromFile(_CheckedFiles, loading.LoadPointsFromFile):
    """mmdet3d's step of this name, which refuses files that cannot be what the config says.

    Registered under mmdet3d's own name, so every config has it.

    Args:
        feature_ranges: Least and greatest value by column of the file, for columns behind x, y, z
            that the data set defines: ``{3: (0, 1)}`` for KITTI's intensities. None: those of the
            data set's class, where it has any (see :mod:`.feature_ranges`).
        *args, **kwargs: As for mmdet3d's.

    Raises:
        FileMissingError: If the file does not exist; names the nearest one that does.
        UsageError: If the file is empty, is no whole number of points, or its numbers cannot be
            what its columns mean (see :func:`.check_point_values`); or if the info file tells of
            another number of columns than ``load_dim``.
    """

    def __init__(
        self,
        *args,
        feature_ranges: Mapping[int, tuple[float, float]] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.feature_ranges = feature_ranges

    def transform(self, results: dict) -> dict:
        """Load the points of ``results['lidar_points']``."""
        told = results['lidar_points'].get('num_pts_feats', self.load_dim)
        if told != self.load_dim:
            raise UsageError(
                f'points file {results["lidar_points"]["lidar_path"]} has {told} columns as its '
                f'info file says (num_pts_feats), {type(self).__name__} reads '
                f'load_dim={self.load_dim}: expected equal numbers'
            )
        return super().transform(results)


LoadPointsChecked = TRANSFORMS.register_module(
    module=renamed('LoadPointsChecked', LoadPointsFromFile)
)


@TRANSFORMS.register_module(force=True)
class LoadPointsFromMultiSweeps(_CheckedFiles, loading.LoadPointsFromMultiSweeps):
    """mmdet3d's step of this name, with the checks of :class:`LoadPointsFromFile`.

    Raises:
        UsageError: If a sweep's time or pose cannot be (see :func:`.check_sweeps`).
    """

    def transform(self, results: dict) -> dict:
        """Append the earlier scans of ``results['lidar_sweeps']`` to the points."""
        check_sweeps(results)
        return super().transform(results)


@TRANSFORMS.register_module(force=True)
class LoadAnnotations3D(loading.LoadAnnotations3D):
    """mmdet3d's step of this name, which refuses masks that do not fit their points.

    Registered under mmdet3d's own name, so every config has it.

    In training it also warns, once per scan and worker process, of masks without any valid label:
    such a scan adds nothing to the task loss. Of a scan that counts as unlabeled
    (``UnlabeledScans``, ``PartialLabels``) no mask is read: all its points get the ignored label.

    Args:
        known_ids: Raw label ids the data set has; None for all that its label mapping covers.
            ``SemanticKittiDataset`` needs them: its mapping takes an id without a class, 12 say,
            for class 0, a car.
        kwargs: As for ``LoadAnnotations3D``.

    Raises:
        FileMissingError: If a mask does not exist; names the nearest one that does.
        UsageError: If the info file names no mask, or a mask is truncated, of another length than
            the points, or holds an id that the data set's label mapping does not know.
    """

    def __init__(self, *args, known_ids: Sequence[int] | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.known_ids = None if known_ids is None else np.unique(list(known_ids))
        self._unlabeled: set[str] = set()

    def _load_semantic_seg_3d(self, results: dict) -> dict:
        if is_hidden(results):
            return _unlabeled(results, 'pts_semantic_mask', results[HIDDEN])
        path = results.get('pts_semantic_mask_path')
        if path is None:
            raise UsageError(
                f'the info file names no pts_semantic_mask_path for '
                f'{results.get("lidar_path", "a scan")}, expected the mask that '
                f'{type(self).__name__} is to load'
            )
        self._load_mask(super()._load_semantic_seg_3d, results, path, np.dtype(self.seg_3d_dtype))
        mask = results['pts_semantic_mask']
        _check_length('semantic', path, mask, results)
        self._check_low_half(path, mask)
        self._check_known(path, mask)
        mapping = results.get('seg_label_mapping')
        if mapping is None or len(mask) == 0:
            return results
        strange = (mask < 0) | (mask >= len(mapping))
        if strange.any():
            raise UsageError(
                f'semantic mask {path} has label id {int(mask[strange][0])} in point '
                f'{int(strange.argmax())}, expected ids 0 to {len(mapping) - 1} as the label '
                f'mapping of {_dataset_name(results)} knows them'
            )
        self._warn_of_unlabeled(path, mapping[mask], results)
        return results

    def _load_masks_3d(self, results: dict) -> dict:
        if is_hidden(results):
            return _unlabeled(results, 'pts_instance_mask', 0)  # 0: no instance
        path = results['pts_instance_mask_path']
        self._load_mask(super()._load_masks_3d, results, path, np.dtype(np.int64))
        _check_length('instance', path, results['pts_instance_mask'], results)
        return results

    def _check_low_half(self, path: str, mask: np.ndarray) -> None:
        """Floats and the other byte order have small ids in the half that holds instances."""
        if self.seg_offset is None or len(mask) == 0 or mask.any():
            return
        raw = np.frombuffer(get(path, backend_args=self.backend_args), self.seg_3d_dtype)
        if raw.any():
            raise UsageError(
                f'semantic mask {path} has label id 0 in all {len(mask)} points, and values like '
                f'{hex(raw[raw != 0][0])}, expected {np.dtype(self.seg_3d_dtype).name} in the byte '
                f'order of this machine with ids below {self.seg_offset}'
            )

    def _check_known(self, path: str, mask: np.ndarray) -> None:
        if self.known_ids is None:
            return
        strange = ~np.isin(mask, self.known_ids)
        if strange.any():
            label = int(mask[strange][0])
            raise UsageError(
                f'semantic mask {path} has label id {label} in {int(strange.sum())} of {len(mask)} '
                f'points, the first is point {int(strange.argmax())}; the label map does not know '
                f'it, the nearest ids it knows are {nearest_ids(label, self.known_ids)}'
            )

    def _load_mask(self, load: Callable, results: dict, path: str, dtype: np.dtype) -> None:
        _read(lambda _: load(results), path, 'mask', self.backend_args, dtype.itemsize,
              f'one {dtype.name} label per point, {dtype.itemsize} bytes each')  # fmt: skip

    def _warn_of_unlabeled(self, path: str, label: np.ndarray, results: dict) -> None:
        ignored = getattr(results.get('dataset'), 'ignore_index', None)  # present in training only
        if ignored is None or path in self._unlabeled or (label != ignored).any():
            return
        self._unlabeled.add(path)
        warnings.warn(
            f'semantic mask {path} has no valid label: all {len(label)} points map to the ignored '
            f'label {ignored}, so the scan adds nothing to the task loss',
            stacklevel=2,
        )


LoadSegAnnotationsChecked = TRANSFORMS.register_module(
    module=renamed('LoadSegAnnotationsChecked', LoadAnnotations3D)
)


def _unlabeled(results: dict, name: str, label: int) -> dict:
    """One label for all points, in the place of a mask from a file."""
    if 'points' not in results:
        raise UsageError(
            f'LoadAnnotations3D comes before the points of {results.get("lidar_path", "a scan")} '
            'are loaded, expected behind LoadPointsFromFile: a scan without labels gets one for '
            'each point'
        )
    results[name] = np.full(len(results['points']), label, np.int64)
    return results


def _read(load: Callable, path: str, kind: str, backend_args: dict | None, width: int,
          expected: str, hint: Callable[[int], str] = lambda size: ''):  # fmt: skip
    """Call a loader; put its failures, and sizes that are no multiple of ``width``, into words."""
    size = None
    try:
        content = load(path)
        if isinstance(content, np.ndarray):
            size = content.nbytes
    except FileNotFoundError as error:
        raise FileMissingError(
            f'{kind} file {path} does not exist; {nearest_path(path)}'
        ) from error
    except OSError as error:
        raise UsageError(f'{kind} file {path} cannot be read: {error.strerror}') from error
    except ValueError as error:  # numpy on bytes that are no whole number of values
        size = len(get(path, backend_args=backend_args))
        if size % width == 0:
            raise
        content, cause = None, error
    else:
        cause = None
    if size is not None and size % width:
        raise UsageError(
            f'{kind} file {path} is truncated or of another layout: {size} bytes, expected a '
            f'multiple of {width} ({expected}){hint(size)}'
        ) from cause
    return content


def _fitting_columns(size: int) -> str:
    fitting = [str(columns) for columns in _WIDTHS if size % (4 * columns) == 0]
    return f'; {", ".join(fitting)} columns would fit' if fitting else ''


def _check_length(kind: str, path: str, mask: np.ndarray, results: dict) -> None:
    points = results.get('points')
    if points is not None and len(mask) != len(points):
        raise UsageError(
            f'{kind} mask {path} has {len(mask)} labels, expected {len(points)}: one per point of '
            f'{results.get("lidar_path", "its scan")}'
        )


def _dataset_name(results: dict) -> str:
    dataset = results.get('dataset')
    return 'the data set' if dataset is None else type(dataset).__name__
