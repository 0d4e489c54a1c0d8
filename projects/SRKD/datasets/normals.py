"""Normals of points: from files of the data set, or estimated.

Shape letters: n points, D columns of a point, k neighbors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmdet3d.structures.points import DepthPoints
from scipy.spatial import cKDTree
from torch import Tensor

from ..base import UsageError
from ..base.checks import check_count

_SLICE = 50_000  # points at a time: k neighbors of each are held


class PointsWithNormals(DepthPoints):
    """Points whose attribute ``normal`` turns and flips with them."""

    def rotate(self, rotation: Tensor | np.ndarray | float, axis: int | None = None) -> Tensor:
        """Rotate coordinates and normals; returns the matrix."""
        matrix = super().rotate(rotation, axis)
        columns = self.attribute_dims['normal']
        self.tensor[:, columns] = self.tensor[:, columns] @ matrix
        return matrix

    def flip(self, bev_direction: str = 'horizontal') -> None:
        """Flip coordinates and normals along one axis of the ground."""
        super().flip(bev_direction)
        axis = self.attribute_dims['normal'][0 if bev_direction == 'horizontal' else 1]
        self.tensor[:, axis] = -self.tensor[:, axis]


def estimated_normals(xyz: np.ndarray, neighbors: int = 16) -> np.ndarray:
    """Directions in which the neighbors of a point spread least, turned to the scan's middle.

    A mesh gives better ones: these are blurred at edges, and their sign is a guess that holds for
    the walls of a room and not for what stands in it.

    Args:
        xyz: Coordinates, ``(n, 3)``.
        neighbors: k, the point itself included; at least 3.

    Returns:
        ``(n, 3)`` float32 of unit length; upright where there are fewer than three points.
    """
    check_count(neighbors=neighbors)
    count = min(max(neighbors, 3), len(xyz))
    normals = np.tile(np.float32([0, 0, 1]), (len(xyz), 1))
    if count < 3:
        return normals
    tree, middle = cKDTree(xyz), (xyz.min(0) + xyz.max(0)) / 2
    for start in range(0, len(xyz), _SLICE):
        part = xyz[start : start + _SLICE]
        near = torch.from_numpy(xyz[tree.query(part, count)[1]]).double()  # (m, k, 3)
        spread = near - near.mean(1, keepdim=True)
        least = torch.linalg.eigh(spread.transpose(1, 2) @ spread)[1][:, :, 0].numpy()  # (m, 3)
        sign = np.where(((middle - part) * least).sum(1, keepdims=True) < 0, -1, 1)
        normals[start : start + _SLICE] = least * sign
    return normals


@TRANSFORMS.register_module()
class AddNormals(BaseTransform):
    """Append unit normals to the points of a scan, which from here on turn with it.

    They come from ``normals/NAME.bin`` beside the folder of the points, float32 ``(n, 3)``, or are
    estimated where there is no such file, see :func:`estimated_normals`. Place it behind the
    loading steps, before anything moves or drops points.

    Required Keys:

    - points (:obj:`DepthPoints`), ``(n, D)``
    - lidar_points (dict), with ``lidar_path``

    Modified Keys:

    - points, ``(n, D + 3)``

    Args:
        folder: Name of the folder of normals; None always estimates.
        neighbors: As for :func:`estimated_normals`.
    """

    def __init__(self, folder: str | None = 'normals', neighbors: int = 16) -> None:
        check_count(neighbors=neighbors)
        self.folder, self.neighbors = folder, neighbors

    def transform(self, results: dict) -> dict:
        """Append the columns.

        Raises:
            UsageError: If the points are not those of rooms, or a file's normals are not theirs.
        """
        points = results['points']
        if not isinstance(points, DepthPoints):
            raise UsageError(
                f"AddNormals takes the points of rooms, coord_type='DEPTH', but got "
                f'{type(points).__name__}: networks for streets take no normals'
            )
        normals = torch.from_numpy(self._normals(results, points.coord.numpy()))
        tensor = torch.cat([points.tensor, normals.to(points.tensor.dtype)], 1)
        width = tensor.shape[1]
        attributes = dict(points.attribute_dims or {}, normal=[width - 3, width - 2, width - 1])
        results['points'] = PointsWithNormals(tensor, width, attributes)
        return results

    def _normals(self, results: dict, xyz: np.ndarray) -> np.ndarray:
        path = Path(str(results['lidar_points']['lidar_path']))
        file = None if self.folder is None else path.parent.parent / self.folder / path.name
        if file is None or not file.is_file():
            return estimated_normals(xyz, self.neighbors)
        size = file.stat().st_size
        if size != 12 * len(xyz):
            raise UsageError(
                f'normals file {file} must hold {len(xyz)} x 3 float32 values, {12 * len(xyz)} '
                f'bytes, as {path.name} has points, but got {size} bytes'
            )
        normals = np.fromfile(file, np.float32).reshape(-1, 3)
        length = np.linalg.norm(normals, axis=1)
        # a vertex without a face has none: zeros, as the original has them
        if not (np.isfinite(length).all() and (np.abs(length - 1) < 0.01)[length > 0].all()):
            raise UsageError(
                f'normals file {file} must hold vectors of length 1 (or 0), but got lengths from '
                f'{length.min():.3g} to {length.max():.3g}'
            )
        return normals

    def __repr__(self) -> str:
        return f'{type(self).__name__}(folder={self.folder!r}, neighbors={self.neighbors})'
