"""Class-aware drawing of super-voxels.

Shape letters: N points of all samples, n points of one sample, G super-voxels of one sample, K of
them drawn, L classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ...base import UsageError
from ...base.checks import check_choice, check_count, check_positive
from ...ops import group_rows
from ..checks import check_ids
from .partitions import Partition, SuperVoxels, build_partition

WEIGHTINGS = ('mean_one', 'paper', 'none')


def class_rarity(
    label: Tensor, number: Tensor, num_super_voxels: int, class_counts: Tensor
) -> Tensor:
    r"""Tell how rare the dominant class of every super-voxel is.

    .. math:: \tau_{class} = 1 - C_{current} / C_{total}

    Source: SRKD (arXiv 2506.17290), which leaves open what C_current is where classes mix. Ours:
    the count of the class with the most points in the super-voxel (the lowest of equals).

    Args:
        label: Class of every point, -1 where ignored, (n,).
        number: Super-voxel of every point in [0, G), (n,).
        num_super_voxels: G.
        class_counts: Labeled points of every class, (L,); C_total is their sum.

    Returns:
        Rarity, (G,); 0 for a super-voxel without a labeled point, which is drawn last.

    Example:
        >>> label = torch.tensor([0, 0, 1, -1])
        >>> class_rarity(label, torch.tensor([0, 0, 1, 2]), 3, torch.tensor([3, 1]))
        tensor([0.2500, 0.7500, 0.0000], dtype=torch.float64)
    """
    known = label >= 0
    num_classes = len(class_counts)
    cell = number[known] * num_classes + label[known]
    histogram = torch.bincount(cell, minlength=num_super_voxels * num_classes)
    most, dominant = histogram.view(num_super_voxels, num_classes).max(dim=1)
    rarity = 1 - class_counts.double()[dominant] / class_counts.sum()
    return torch.where(most > 0, rarity, 0)


class SuperVoxelSampler:
    r"""Draw K super-voxels per sample by class and distance.

    .. math:: w = \frac{\tau_{class}}{N_v} \frac{D}{R}

    Super-voxels are drawn without replacement with probability proportional to :math:`w`, among
    those that hold enough points. Source: SRKD (arXiv 2506.17290); K is not given there.

    Args:
        partition: Partition or its config, e.g. ``dict(type='CubePartition', size=1.0)``.
        num_super_voxels: K, per sample.
        weighting: Weight a drawn super-voxel carries into its distances. ``'paper'`` is w itself:
            with 96 super-voxels w is about 4e-3 and enters squared, which makes the term vanish.
            ``'mean_one'`` divides w by its mean over those drawn; ``'none'`` is one. The last two
            are ours.
        class_counts: Labeled points per class of the training set. Default, ours: counted in the
            batch.
        min_rows: Rows that a super-voxel must hold to be drawn; where none holds them, all can be.
            Ours: of one row, or of a few far from a LiDAR, no affinity can be learned.

    Raises:
        UsageError: If an argument is out of range or unknown.
    """

    def __init__(
        self,
        partition: Partition | dict,
        num_super_voxels: int = 4,
        weighting: str = 'mean_one',
        class_counts: Sequence[int] | None = None,
        min_rows: int = 32,
    ) -> None:
        check_count(num_super_voxels=num_super_voxels, min_rows=min_rows)
        check_choice('weighting', weighting, WEIGHTINGS)
        if class_counts is not None:
            check_positive(sum_of_class_counts=sum(class_counts))
        self.partition = build_partition(partition)
        self.num_super_voxels = num_super_voxels
        self.weighting = weighting
        self.class_counts = class_counts
        self.min_rows = min_rows

    def __call__(
        self, coord: Tensor, batch: Tensor, label: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw super-voxels of every sample.

        Args:
            coord: Metric coordinates, (N, 3).
            batch: Sample id of every row, any order, (N,).
            label: Class of every row, -1 where ignored, (N,); without one, and in a sample that
                has none, tau_class is 1.

        Returns:
            The drawn super-voxel of every row, -1 where its own was not drawn, (N,), and the
            weight of every drawn one, (K * B,) at most. Uses torch's global generator.
        """
        check_ids('batch', batch, len(coord))
        counts = self._class_counts(label)
        group = torch.full_like(batch, -1, dtype=torch.int64)
        weights = [torch.zeros(0, dtype=torch.float64, device=coord.device)]
        samples = group_rows(batch)
        drawn_before = 0
        for rows in samples.order.split(samples.counts.tolist()):
            cut = self.partition(coord[rows])
            weight = self._weight(cut, None if label is None else label[rows], counts)
            large = torch.bincount(cut.number, minlength=len(weight)) >= self.min_rows
            chances = _drawable(weight) * large if bool(large.any()) else _drawable(weight)
            k = min(self.num_super_voxels, int((chances > 0).sum()))
            drawn = torch.multinomial(chances, k).sort().values
            number = torch.full_like(weight, -1, dtype=torch.int64)
            number[drawn] = torch.arange(drawn_before, drawn_before + k, device=batch.device)
            group[rows] = number[cut.number]
            weights.append(weight[drawn])
            drawn_before += k
        return group, self._carried(torch.cat(weights))

    def _class_counts(self, label: Tensor | None) -> Tensor | None:
        """Count classes, (L,); None where nothing is labeled."""
        if label is None or not bool((label >= 0).any()):
            return None
        if self.class_counts is None:
            return torch.bincount(label[label >= 0])
        if int(label.max()) >= len(self.class_counts):
            raise UsageError(
                f'class_counts names {len(self.class_counts)} classes, but a label is '
                f'{int(label.max())}'
            )
        return torch.tensor(self.class_counts, device=label.device)

    @staticmethod
    def _weight(cut: SuperVoxels, label: Tensor | None, counts: Tensor | None) -> Tensor:
        weight = cut.distance / cut.capacity
        if counts is None or label is None or not bool((label >= 0).any()):
            return weight  # unlabeled scans beside labeled ones teach relations, too
        return weight * class_rarity(label, cut.number, len(weight), counts)

    def _carried(self, weight: Tensor) -> Tensor:
        if self.weighting == 'paper':
            return weight
        if self.weighting == 'none' or not bool(weight.sum() > 0):
            return torch.ones_like(weight)
        return weight / weight.mean()


def _drawable(weight: Tensor) -> Tensor:
    """Keep every super-voxel drawable: zero weights come last, all zeros (one class) are equal."""
    largest = weight.max()
    return weight.clamp_min(largest * 1e-6) if largest > 0 else torch.ones_like(weight)
