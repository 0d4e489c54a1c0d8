"""Grid sampling for voxel segmentors, on the device of its input.

Shape letters: n points of one sample, C point features, V voxels of one sample, N voxels of the
batch.
"""

import torch
import torch.nn.functional as F
from mmdet3d.models.data_preprocessors import Det3DDataPreprocessor
from mmdet3d.registry import MODELS
from mmdet3d.structures import PointData
from torch import Tensor

from ..base import UsageError
from ..ops import occupied_cells

IDENTITY_COLUMNS = 2  # row number, scan slot: see ``AddPointIdentity``
_EXACT = 2**24  # voxels; float32 tells neighbors apart up to here


def grid_sample(grid_coord: Tensor) -> tuple[Tensor, Tensor]:
    """Keep the first point of every occupied voxel.

    Voxels come in lexicographic order of (x, y, z), as mmdet3d's ``sparse_quantize`` gives them.

    Args:
        grid_coord: Non-negative voxel indices of the points, ``(n, 3)``, integer.

    Returns:
        Rows of the kept points ``(V,)`` and each point's voxel ``(n,)``, both int64.

    Example:
        >>> first, inverse = grid_sample(torch.tensor([[1, 0, 0], [0, 0, 0], [1, 0, 0]]))
        >>> first.tolist(), inverse.tolist()
        ([1, 0], [1, 0, 1])
    """
    voxels, inverse = occupied_cells(grid_coord.long())
    row = torch.arange(len(inverse), device=inverse.device)
    first = row.new_full((len(voxels),), len(row)).scatter_reduce_(0, inverse, row, 'amin')
    return first, inverse


@MODELS.register_module()
class VoxelSegDataPreprocessor(Det3DDataPreprocessor):
    """``Det3DDataPreprocessor(voxel_type='minkunet')`` with maps that are right.

    It voxelizes like mmdet3d's (rounded coordinates shifted to zero; the first point of a voxel
    gives the voxel's feature **and its label**), on the device of the points and without a detour
    over numpy, and keeps ``point2voxel_map`` right when ``max_voxels`` drops voxels in training: a
    dropped point maps to -1 (mmdet3d leaves it pointing at other voxels).

    Args:
        voxel_size: Edge lengths of a voxel, meters.
        max_voxels: Cap on the voxels of one sample in training; None for no cap.
        identity_columns: Whether the points end with the two columns of ``AddPointIdentity``; they
            are taken off and kept as ``data_sample.point_identity``, ``(n, 2)`` int64.
    """

    def __init__(
        self,
        voxel_size: float | tuple[float, float, float] = (0.05, 0.05, 0.05),
        max_voxels: int | None = None,
        identity_columns: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(voxel=False, voxel_type='minkunet', max_voxels=max_voxels, **kwargs)
        size = (voxel_size,) * 3 if isinstance(voxel_size, (int, float)) else tuple(voxel_size)
        if len(size) != 3 or min(size) <= 0:
            raise UsageError(
                f'voxel_size of {type(self).__name__} must be one or three positive lengths in '
                f'meters, but got {voxel_size}'
            )
        self.voxel = True
        self.voxel_size = size
        self.identity_columns = identity_columns

    def collate_data(self, data: dict) -> dict:
        """Move a batch to the device and take the identity columns off its points."""
        data = super().collate_data(data)
        if self.identity_columns:
            clouds = data['inputs']['points']
            for i, sample in enumerate(data['data_samples']):
                sample.point_identity = clouds[i][:, -IDENTITY_COLUMNS:].long()
            data['inputs']['points'] = [cloud[:, :-IDENTITY_COLUMNS] for cloud in clouds]
        return data

    @torch.no_grad()
    def voxelize(self, points: list[Tensor], data_samples: list) -> dict[str, Tensor]:
        """Grid-sample a batch and write the point-to-voxel maps on its samples.

        Args:
            points: One ``(n, C)`` cloud per sample, meters in the first three columns.
            data_samples: Receive ``point2voxel_map`` ``(n,)``, ``batch_idx`` ``(V,)`` and, where
                labels are present, ``gt_pts_seg.voxel_semantic_mask`` ``(V,)``.

        Returns:
            ``voxels`` ``(N, C)`` and ``coors`` ``(N, 4)`` int32, columns batch, x, y, z.

        Raises:
            UsageError: If a cloud is empty, or lies where float32 cannot tell its voxels apart.
        """
        voxels, coors = [], []
        for i, (cloud, sample) in enumerate(zip(points, data_samples)):
            if len(cloud) == 0:
                raise UsageError(
                    f'sample {i} of the batch ({sample.metainfo.get("lidar_path", "no path")}) has '
                    'no points, expected at least one: look at the range and crop transforms'
                )
            place = cloud[:, :3] / cloud.new_tensor(self.voxel_size)  # (n, 3), in voxels
            farthest = place.abs().amax()
            if not farthest < _EXACT:  # NaN, too
                raise UsageError(
                    f'sample {i} of the batch ({sample.metainfo.get("lidar_path", "no path")}) has '
                    f'a point {farthest:.3g} voxels from the origin, expected fewer than 2^24 = '
                    f'{_EXACT}, up to where float32 tells voxels of {self.voxel_size} m apart: '
                    'subtract an offset, leave far points out or use larger voxels'
                )
            grid_coord = torch.round(place).int()
            grid_coord -= grid_coord.amin(0)
            first, point2voxel = grid_sample(grid_coord)
            if self.training and self.max_voxels is not None and len(first) > self.max_voxels:
                kept = torch.randperm(len(first), device=first.device)[: self.max_voxels]
                rows = torch.full_like(first, -1)
                rows[kept] = torch.arange(len(kept), device=first.device)
                first, point2voxel = first[kept], rows[point2voxel]
            sample.point2voxel_map = point2voxel  # (n,)
            sample.batch_idx = torch.full_like(first, i, dtype=torch.int32)  # (V,)
            truth = sample.get('gt_pts_seg', PointData())
            if 'pts_semantic_mask' in truth:
                truth.voxel_semantic_mask = truth.pts_semantic_mask[first]
            voxels.append(cloud[first])
            coors.append(F.pad(grid_coord[first], (1, 0), value=i))
        return dict(voxels=torch.cat(voxels), coors=torch.cat(coors))
