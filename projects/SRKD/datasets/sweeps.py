"""Earlier scans beside the labeled one: denser input, scored and trained on its own points only.

nuScenes: mmdet3d's ``LoadPointsFromMultiSweeps`` loads them. SemanticKITTI:
``LoadPreviousScans``. Both append them, and ``IgnoreSweepPoints`` then lengthens the labels.
Shape letters: n points of the labeled scan, m points in all, D columns.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from ..base import UsageError
from .infos.poses import read_poses
from .loading import LoadPointsFromFile


@TRANSFORMS.register_module()
class IgnoreSweepPoints(BaseTransform):
    """Give the points of earlier scans the ignored label, in training and in scoring.

    Place it after the transform that appends those scans, which comes after
    ``PointSegClassMapping``: only the labeled scan has a mask.

    Required Keys:

    - points (:obj:`BasePoints`), ``(m, D)``, the labeled scan first
    - pts_semantic_mask, ``(n,)``

    Modified Keys:

    - pts_semantic_mask, ``(m,)``, in ``eval_ann_info`` too

    Args:
        ignore_index: The data set's label of points without a class.

    Raises:
        UsageError: If there are more labels than points.
    """

    def __init__(self, ignore_index: int) -> None:
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Lengthen the mask."""
        label = results['pts_semantic_mask']
        extra = len(results['points']) - len(label)
        if extra < 0:
            raise UsageError(
                f'IgnoreSweepPoints got {len(label)} labels for {len(results["points"])} points of '
                f'{results.get("lidar_path", "a scan")}, expected the labeled scan first and no '
                'point removed since it was loaded'
            )
        label = np.pad(label, (0, extra), constant_values=self.ignore_index)
        results['pts_semantic_mask'] = label
        if 'eval_ann_info' in results:
            results['eval_ann_info']['pts_semantic_mask'] = label
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(ignore_index={self.ignore_index})'


@TRANSFORMS.register_module()
class LoadPreviousScans(LoadPointsFromFile):
    """Append the scans before this one of a SemanticKITTI sequence, moved into its frame.

    The first scans of a sequence have fewer. Poses are read once per sequence and worker process.

    Required Keys:

    - points (:obj:`BasePoints`), ``(n, D)``
    - lidar_path (str): ``.../{sequence}/velodyne/{frame}.bin``, beside ``poses.txt`` and
      ``calib.txt``

    Modified Keys:

    - points, ``(m, D)``, the scan itself first

    Args:
        scans_num: How many scans to append.
        kwargs: As for ``LoadPointsFromFile``; ``use_dim`` must be what the scan was loaded with.

    Raises:
        FileNotFoundError: If the sequence has no poses or a scan is missing.
        UsageError: If the poses are malformed, or fewer than the scans.
    """

    def __init__(self, scans_num: int = 4, coord_type: str = 'LIDAR', load_dim: int = 4,
                 use_dim: int | list[int] = 4, **kwargs) -> None:  # fmt: skip
        super().__init__(coord_type, load_dim, use_dim, **kwargs)
        self.scans_num = scans_num
        self._poses: dict[Path, np.ndarray] = {}

    def transform(self, results: dict) -> dict:
        """Append the points."""
        path, points = Path(results['lidar_path']), results['points']
        frame, sequence = int(path.stem), path.parent.parent
        poses = self._poses.get(sequence)
        if poses is None or len(poses) <= frame:
            poses = self._poses[sequence] = read_poses(sequence, scans=frame + 1)
        clouds = [points]
        for earlier in range(frame - 1, max(frame - 1 - self.scans_num, -1), -1):
            name = path.with_name(f'{earlier:0{len(path.stem)}d}{path.suffix}')
            cloud = self._load_points(str(name)).reshape(-1, self.load_dim)[:, self.use_dim]
            move = np.linalg.inv(poses[frame]) @ poses[earlier]  # (4, 4)
            coord = cloud[:, :3] @ move[:3, :3].T + move[:3, 3]
            cloud = np.hstack([coord, cloud[:, 3:]]).astype(np.float32)
            clouds.append(points.new_point(torch.from_numpy(cloud)))
        results['points'] = points.cat(clouds)
        return results
