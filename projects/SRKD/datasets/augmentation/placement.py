"""Where a scan stands: its origin and its tilt."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ...base import UsageError
from ...base.checks import check_probability


@TRANSFORMS.register_module()
class CenterShift(BaseTransform):
    """Move the middle of the bounding box to x = y = 0, and its floor to z = 0.

    Source: the indoor recipes of PTv3 and of SRKD's release. Networks that read coordinates as
    features depend on it; voxelization does not.

    Args:
        apply_z: Whether the floor moves to z = 0; else heights stay.
    """

    def __init__(self, apply_z: bool = True) -> None:
        self.apply_z = apply_z

    def transform(self, results: dict) -> dict:
        """Change the coordinates of ``points``, ``(n, D)``."""
        points = results['points']
        if len(points):
            low, high = points.coord.amin(0), points.coord.amax(0)  # (3,)
            shift = (low + high) / 2
            shift[2] = low[2] if self.apply_z else 0
            points.coord = points.coord - shift
        return results


@TRANSFORMS.register_module()
class RandomTilt(BaseTransform):
    """Rotate a scan a little about the x axis and about the y axis, each with probability ``p``.

    Source: the recipes of PTv3, rotation about x and y by up to pi / 64. mmdet3d's
    ``GlobalRotScaleTrans`` rotates about z alone.

    Args:
        angle: Largest angle, radians.
        p: Probability for each axis.
    """

    def __init__(self, angle: float = np.pi / 64, p: float = 0.5) -> None:
        check_probability(p=p)
        self.angle = angle
        self.p = p

    def transform(self, results: dict) -> dict:
        """Rotate ``points``, ``(n, D)``.

        Raises:
            UsageError: If the scan has boxes: they have no tilt.
        """
        if len(results.get('gt_bboxes_3d', ())):
            raise UsageError(
                'RandomTilt got a scan with gt_bboxes_3d, which stand upright: leave one of both '
                'out of the pipeline'
            )
        for axis in (0, 1):
            if np.random.rand() < self.p:
                angle = np.random.uniform(-self.angle, self.angle)
                results['points'].rotate(angle, axis)
        return results
