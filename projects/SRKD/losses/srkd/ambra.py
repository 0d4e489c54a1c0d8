"""AMBRA: affinity-matrix relation alignment inside super-voxels.

Shape letters: N points, C_s and C_t channels, M rows (points or voxels) compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...base.checks import check_choice, check_count, check_positive
from ...ops import (
    draw_rows,
    l2_normalize,
    occupied_cells,
    rank_share,
    segment_mean,
    unit_spread,
)
from ..checks import full_precision
from .affinity import affinity_mse
from .partitions import Partition
from .super_voxels import SuperVoxelSampler

NORMALIZE = {'none': lambda feat: feat, 'l2': l2_normalize, 'scale': unit_spread}


class PointAffinityLoss(nn.Module):
    """Align distances between the points of drawn super-voxels.

    Source: SRKD (arXiv 2506.17290), Eq. 4 and 5; see :func:`affinity_mse` for the formula and
    :class:`SuperVoxelSampler` for the drawing. Teacher and student may differ in width. The paper
    gives no number for what follows: all defaults but ``loss_weight`` are ours.

    In several processes the loss is the mean over the super-voxels of all, but each draws by
    itself, and what is taken over a batch is of its own scans: the mean of ``'mean_one'``, the
    distance of ``'scale'``, and the classes' counts where ``class_counts`` are not given.

    Args:
        partition: How a scan is cut: ``dict(type='CubePartition', size=1.0)`` indoors,
            ``dict(type='CylinderPartition')`` for LiDAR.
        num_super_voxels: K drawn per sample.
        n_points: Points kept per super-voxel, drawn at random; fewer are not padded.
        normalize: Features are compared as they are (``'none'``), with length one (``'l2'``), or
            divided by the root mean square distance among the drawn rows (``'scale'``). As they
            are, the wider or larger network rules the loss.
        weighting: ``'mean_one'``, ``'paper'`` or ``'none'``, see :class:`SuperVoxelSampler`.
        class_counts: Labeled points per class of the training set; default: the batch's.
        loss_weight: 0.001 in the paper.
        min_rows: Rows that a super-voxel must hold to be drawn, see :class:`SuperVoxelSampler`.

    Raises:
        ValueError: If an argument is out of range or unknown.
    """

    def __init__(
        self,
        partition: Partition | dict | None = None,
        num_super_voxels: int = 4,
        n_points: int = 512,
        normalize: str = 'l2',
        weighting: str = 'mean_one',
        class_counts: Sequence[int] | None = None,
        loss_weight: float = 1.0,
        min_rows: int = 32,
    ) -> None:
        super().__init__()
        check_count(n_points=n_points)
        check_choice('normalize', normalize, NORMALIZE)
        self.sampler = SuperVoxelSampler(
            partition or dict(type='CubePartition'), num_super_voxels, weighting, class_counts,
            min_rows,
        )  # fmt: skip
        self.n_points = n_points
        self.normalize = normalize
        self.loss_weight = loss_weight
        self.rows_share = 0.0  # of the last step's rows, in drawn super-voxels and compared

    def forward(
        self,
        student: Tensor,
        teacher: Tensor,
        coord: Tensor,
        batch: Tensor,
        label: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss of features (N, C_s), (N, C_t), coordinates (N, 3) and ids (N,)."""
        group, weight = self.sampler(coord, batch, label)
        rows = draw_rows(group, self.n_points)
        self.rows_share = len(rows) / max(len(group), 1)
        loss = _normalized_affinity(
            student[rows], teacher[rows], group[rows], weight, self.normalize
        )
        return loss * self.loss_weight * rank_share(len(weight), student)


class VoxelAffinityLoss(nn.Module):
    """Align distances between the voxels of drawn super-voxels.

    Source: SRKD (arXiv 2506.17290), Eq. 4 and 6. A voxel feature is not defined there for a point
    network: ours is the mean over the points in a cube of ``voxel_size``, taken before
    normalization and inside one super-voxel. Super-voxels are drawn independently of
    :class:`PointAffinityLoss`, where it also says what differs in several processes. All defaults
    but ``loss_weight`` are ours.

    Args:
        partition: As in :class:`PointAffinityLoss`.
        voxel_size: Edge of the cubes in meters; a few times the network's own grid.
        num_super_voxels: K drawn per sample.
        n_voxels: Voxels kept per super-voxel, drawn at random; fewer are not padded.
        normalize: As in :class:`PointAffinityLoss`.
        weighting: As in :class:`PointAffinityLoss`.
        class_counts: As in :class:`PointAffinityLoss`.
        loss_weight: 0.001 in the paper.
        min_rows: Rows that a super-voxel must hold to be drawn, see :class:`SuperVoxelSampler`.

    Raises:
        ValueError: If an argument is out of range or unknown.
    """

    def __init__(
        self,
        partition: Partition | dict | None = None,
        voxel_size: float = 0.2,
        num_super_voxels: int = 4,
        n_voxels: int = 128,
        normalize: str = 'l2',
        weighting: str = 'mean_one',
        class_counts: Sequence[int] | None = None,
        loss_weight: float = 1.0,
        min_rows: int = 32,
    ) -> None:
        super().__init__()
        check_positive(voxel_size=voxel_size)
        check_count(n_voxels=n_voxels)
        check_choice('normalize', normalize, NORMALIZE)
        self.sampler = SuperVoxelSampler(
            partition or dict(type='CubePartition'), num_super_voxels, weighting, class_counts,
            min_rows,
        )  # fmt: skip
        self.voxel_size = voxel_size
        self.n_voxels = n_voxels
        self.normalize = normalize
        self.loss_weight = loss_weight
        self.rows_share = 0.0  # of the last step's rows, in drawn super-voxels and compared

    def forward(
        self,
        student: Tensor,
        teacher: Tensor,
        coord: Tensor,
        batch: Tensor,
        label: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss of features (N, C_s), (N, C_t), coordinates (N, 3) and ids (N,)."""
        group, weight = self.sampler(coord, batch, label)
        inside = (group >= 0).nonzero().squeeze(1)
        cells = torch.floor(coord[inside].double() / self.voxel_size).long()
        # The super-voxel is part of the key: no voxel mixes points of two of them.
        voxels, voxel = occupied_cells(torch.cat([group[inside, None], cells], dim=1))
        kept = draw_rows(voxels[:, 0], self.n_voxels)
        self.rows_share = int(torch.isin(voxel, kept).sum()) / max(len(group), 1)
        loss = _voxel_affinity(
            student[inside], teacher[inside], voxel, voxels[:, 0], kept, weight, self.normalize
        )
        return loss * self.loss_weight * rank_share(len(weight), student)


@full_precision
def _normalized_affinity(
    student: Tensor, teacher: Tensor, group: Tensor, weight: Tensor, normalize: str
) -> Tensor:
    change = NORMALIZE[normalize]
    return affinity_mse(change(student), change(teacher), group, weight)


@full_precision
def _voxel_affinity(
    student: Tensor,
    teacher: Tensor,
    voxel: Tensor,
    group: Tensor,
    kept: Tensor,
    weight: Tensor,
    normalize: str,
) -> Tensor:
    student = segment_mean(student, voxel, len(group))[kept]  # (M, C_s)
    teacher = segment_mean(teacher, voxel, len(group))[kept]
    return _normalized_affinity(student, teacher, group[kept], weight, normalize)
