"""Leaving points out: at random, all but one of a voxel, or all but a sphere."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from torch import Tensor

from ...base import UsageError
from ...base.checks import check_positive, check_probability
from ...ops import occupied_cells

POINT_MASKS = ('pts_semantic_mask', 'pts_instance_mask')
"""Entries of ``results`` with one value per point."""


def keep_points(results: dict, rows: Tensor) -> None:
    """Keep some points of a scan, and their labels, in place.

    Args:
        results: ``points`` (n, D) and whichever of ``POINT_MASKS`` are there, each (n,).
        rows: Of the kept points, (m,).
    """
    results['points'] = results['points'][rows]
    for name in POINT_MASKS:
        if name in results:
            results[name] = results[name][rows.numpy()]


@TRANSFORMS.register_module()
class RandomPointDropout(BaseTransform):
    """Leave out a share of the points, in some scans.

    Source: ``RandomDropout`` of the PTv3 recipes.

    Args:
        ratio: Share of the points left out.
        p: Probability that a scan loses points at all.
    """

    def __init__(self, ratio: float = 0.2, p: float = 0.2) -> None:
        check_probability(ratio=ratio, p=p)
        if ratio == 1:
            raise UsageError('ratio=1 of RandomPointDropout leaves no point, expected less than 1')
        self.ratio = ratio
        self.p = p

    def transform(self, results: dict) -> dict:
        """Keep ``ceil((1 - ratio) n)`` points in their order."""
        n = len(results['points'])
        if np.random.rand() < self.p:
            kept = np.random.permutation(n)[: int(np.ceil(n * (1 - self.ratio)))]
            keep_points(results, torch.from_numpy(np.sort(kept)))
        return results


@TRANSFORMS.register_module()
class SphereCrop(BaseTransform):
    """Keep the points nearest to a random one of them, if there are too many.

    Source: the PTv3 recipes, 102,400 points on ScanNet.

    Args:
        max_points: Points kept at most.
    """

    def __init__(self, max_points: int = 102400) -> None:
        check_positive(max_points=max_points)
        self.max_points = max_points

    def transform(self, results: dict) -> dict:
        """Keep at most ``max_points`` points in their order."""
        coord = results['points'].coord
        if len(coord) > self.max_points:
            distance = (coord - coord[np.random.randint(len(coord))]).square().sum(1)
            nearest = distance.topk(self.max_points, largest=False).indices
            keep_points(results, nearest.sort().values)
        return results


@TRANSFORMS.register_module()
class GridSamplePoints(BaseTransform):
    """Keep one random point of every voxel.

    Source: ``GridSample`` of the PTv3 recipes, in training. The preprocessor's voxels take the
    first point of a voxel, the same one in every epoch; here it changes. In testing leave it out:
    all raw points are scored.

    Args:
        size: Edge length of a voxel, meters.
    """

    def __init__(self, size: float) -> None:
        check_positive(size=size)
        self.size = size

    def transform(self, results: dict) -> dict:
        """Keep at most one point per voxel, in their order."""
        coord = results['points'].coord
        if len(coord):
            cell = torch.floor((coord.double() - coord.amin(0)) / self.size).long()  # (n, 3)
            _, number = occupied_cells(cell)  # (n,)
            shuffled = np.random.permutation(len(coord))
            _, first = np.unique(number.numpy()[shuffled], return_index=True)
            keep_points(results, torch.from_numpy(np.sort(shuffled[first])))
        return results
