"""Squared-distance affinity in linear time.

Shape letters: N points, n points of one group, C channels (the wider of C_s and C_t), G groups,
g groups and m rows of one padded block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ...base import UsageError
from ...ops import Groups, group_rows, padded_blocks
from ..checks import check_ids, connected_zero, full_precision

GRAM_FROM = 1.5
"""Groups of at least so many times as many points as channels take C x C products; pairs of points
are quicker below (break-even measured between 1.5 and 1.7 at 128 channels)."""

CPU_BLOCK_ROWS = 1 << 11
"""Rows held in float64 at a time on a CPU, so that they fit its cache; larger groups are streamed,
half as many rows at a time."""

GPU_BLOCK_ROWS = 1 << 15
"""The same on a GPU, where a block should outweigh the launches of its kernels: 32 MiB for each of
about ten tensors of 128 channels."""


@full_precision
def affinity_mse(
    student: Tensor,
    teacher: Tensor,
    group: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    r"""Mean squared difference of all pairwise squared distances inside every group.

    .. math::
        L = \frac{1}{G} \sum_{g} \frac{1}{n_g^2} \sum_{i,j \in g}
            \left(w_g |f^S_i - f^S_j|^2 - w_g |f^T_i - f^T_j|^2\right)^2

    with the sum over non-empty groups. Source: SRKD (arXiv 2506.17290), Eq. 4 to 6; the mean over
    groups is implied there, not stated.

    No pair is formed for groups of at least 1.5 C points. A distance does not change when features
    are centered, so center both networks per group, pad the narrower with zero columns, and write
    :math:`\Delta = S - T`, :math:`P = S + T`, :math:`u_i = \Delta_i \cdot P_i = |s_i|^2 - |t_i|^2`
    and :math:`E = S S^\top - T T^\top = (\Delta P^\top + P \Delta^\top) / 2`. Then

    .. math::
        \sum_{ij} (D_S - D_T)_{ij}^2
            &= 2 n \sum_i u_i^2 + 2 \Big(\sum_i u_i\Big)^2 + 4 |E|_F^2 \\
        2 |E|_F^2 &= \langle P^\top P, \Delta^\top \Delta \rangle
            + \langle P^\top \Delta, \Delta^\top P \rangle

    needs C x C products only: O(n C^2) time, O(n C) memory, exact. Every term scales with
    :math:`\Delta`, so the value keeps its precision however near the student comes to its teacher.
    Sums run in float64. The gradient needs the same products,

    .. math::
        \frac{\partial}{\partial s_i} = 8 \Big( \big(n u_i + \sum_j u_j\big) s_i
            - \sum_j u_j s_j + 2 (E S)_i \Big),
        \qquad 4 E S = \Delta (P^\top P + P^\top \Delta)
            + P (\Delta^\top P + \Delta^\top \Delta)

    Args:
        student: Features, (N, C_s).
        teacher: Features, (N, C_t), of any width; detached.
        group: Super-voxel id of every row, >= 0, any order, gaps allowed; -1 leaves a row out,
            (N,). Default: one group.
        weight: Weight of every group, indexed by id, (max id + 1 or more,); detached.

    Returns:
        0-d loss, float32 (float64 for float64 inputs); zero, and connected, without rows.

    Raises:
        UsageError: If rows differ, the ids are no integers or ``weight`` is too short for them.

    Example:
        >>> affinity_mse(torch.tensor([[0.0], [3.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]]))
        tensor(32.)
    """
    if group is None:
        group = torch.zeros(len(student), dtype=torch.int64, device=student.device)
    check_ids('group', group, len(student))
    groups = group_rows(group)
    if student.shape[1] == 0 or len(groups.ids) == 0:
        return connected_zero(student)
    scale = groups.counts.double().pow(-2) / len(groups.ids)  # (G,)
    if weight is not None:
        _check_weight(weight, int(groups.ids[-1]))
        scale = scale * weight.detach().to(scale)[groups.ids].square()
    with_grad = torch.is_grad_enabled() and student.requires_grad
    return _AffinityMSE.apply(student, teacher, groups, scale, with_grad)


def _check_weight(weight: Tensor, largest: int) -> None:
    if weight.dim() != 1 or len(weight) <= largest:
        raise UsageError(
            f'weight is indexed by group id and must have shape ({largest + 1},) or longer, '
            f'but got {tuple(weight.shape)}'
        )


class _AffinityMSE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student, teacher, groups, scale, with_grad) -> Tensor:
        width = max(student.shape[1], teacher.shape[1])
        both = student, teacher
        value = scale.new_zeros(())
        grad = None
        block_rows = CPU_BLOCK_ROWS if student.device.type == 'cpu' else GPU_BLOCK_ROWS
        large = groups.counts >= GRAM_FROM * width
        huge = large & (groups.counts > block_rows)
        streams = [
            _Stream(groups, group, block_rows // 2) for group in huge.nonzero().squeeze(1).tolist()
        ]
        for stream in streams:
            value = value + scale[stream.group] * stream.total(both, width)
        for members, form in ((large & ~huge, _gram_form), (~large & ~huge, _pair_form)):
            which = members.nonzero().squeeze(1)
            for block, rows, real in padded_blocks(groups, which, block_rows):
                own, taught = (_centered(feat, rows, real, width) for feat in both)  # (g, m, C)
                total, slope = form(own, taught, real, 8 * scale[block] if with_grad else None)
                value = value + (scale[block] * total).sum()
                if with_grad:
                    grad = torch.zeros_like(student) if grad is None else grad
                    grad[rows[real]] = slope[real][:, : student.shape[1]].to(grad.dtype)
        kept = both if streams else (None, None)  # only streamed rows are read again
        ctx.save_for_backward(*kept, scale, grad)
        ctx.streams = streams
        return value.to(student.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss: Tensor):
        student, teacher, scale, grad = ctx.saved_tensors
        # Streamed rows are written here, with the incoming factor: two tensors of the student's
        # size would be most of the memory of a large cloud.
        grad = torch.zeros_like(student) if grad is None else grad_loss * grad
        for stream in ctx.streams:
            stream.write_slopes((student, teacher), 8 * grad_loss * scale[stream.group], grad)
        return grad, None, None, None, None


class _Sums(NamedTuple):
    """What value and slope of g groups need to know about all of their rows; sums add up."""

    u: Tensor  # (g,)
    u_square: Tensor  # (g,)
    u_own: Tensor  # (g, 1, C)
    dd: Tensor  # (g, C, C), as all that follow
    tt: Tensor
    td: Tensor

    @classmethod
    def of(cls, rows: _Rows) -> _Sums:
        own, delta, total, u, _ = rows
        grams = delta.mT @ delta, total.mT @ total, total.mT @ delta
        return cls(u.sum(dim=1), u.square().sum(dim=1), u[:, None] @ own, *grams)

    def add_(self, rows: _Rows) -> None:
        """Add those of further rows."""
        own, delta, total, u, _ = rows
        self.u.add_(u.sum(dim=1))
        self.u_square.add_(u.square().sum(dim=1))
        for mine, left, right in (
            (self.u_own, u[:, :, None], own),
            (self.dd, delta, delta),
            (self.tt, total, total),
            (self.td, total, delta),
        ):
            mine.baddbmm_(left.mT, right)

    def value(self, n: Tensor) -> Tensor:
        """Sum over all pairs of groups of n (g,) rows, (g,)."""
        energy = ((self.tt * self.dd).sum(dim=(1, 2)) + (self.td * self.td.mT).sum(dim=(1, 2))) / 2
        # The second summand may be negative: rounding must not carry a rotation below zero.
        return 2 * n * self.u_square + 2 * self.u.square() + 4 * energy.clamp_min(0)

    def slope(self, rows: _Rows, n: Tensor, factor: Tensor) -> Tensor:
        """An eighth of the value's gradient in rows (g, m, C), times a factor (g,)."""
        own, delta, total, u, spare = rows
        wide = factor[:, None, None]
        constant, by_delta = -wide * self.u_own, wide / 2 * (self.tt + self.td)
        slope = torch.baddbmm(constant, delta, by_delta, out=spare)
        slope.baddbmm_(total, wide / 2 * (self.td.mT + self.dd))
        along = factor[:, None] * (n[:, None] * u + self.u[:, None])
        return slope.addcmul_(along[:, :, None], own)


class _Rows(NamedTuple):
    """Centered rows of g groups."""

    own: Tensor  # (g, m, C), as delta, total and spare
    delta: Tensor
    total: Tensor
    u: Tensor  # (g, m)
    spare: Tensor  # may be written to

    @classmethod
    def of(
        cls, own: Tensor, taught: Tensor, total: Tensor | None = None, spare: Tensor | None = None
    ) -> _Rows:
        """Take both networks' rows; all but ``own`` is overwritten."""
        total = torch.add(own, taught, out=total)
        delta = torch.sub(own, taught, out=taught)
        spare = torch.mul(delta, total, out=spare)
        return cls(own, delta, total, spare.sum(dim=-1), spare)


class _Stream:
    """One large group, walked block by block of its rows.

    A first walk finds the means, a second the sums, a third the gradient. Each holds a block in
    float64 and nothing of the size of the group.
    """

    def __init__(self, groups: Groups, group: int, block_rows: int) -> None:
        self.group = group
        start, n = int(groups.starts[group]), int(groups.counts[group])
        self.blocks = groups.order[start : start + n].split(block_rows)
        self.n = groups.counts[group, None].double()

    def total(self, both: tuple[Tensor, Tensor], width: int) -> Tensor:
        """Sum over all pairs."""
        self.width = width
        self.means = [
            sum(feat.index_select(0, rows).sum(dim=0, dtype=torch.float64) for rows in self.blocks)
            / self.n
            for feat in both
        ]
        walk = self._walk(both)
        self.sums = _Sums.of(next(walk))
        for rows in walk:
            self.sums.add_(rows)
        return self.sums.value(self.n).squeeze(0)

    def write_slopes(self, both: tuple[Tensor, Tensor], factor: Tensor, grad: Tensor) -> None:
        """Write the gradient into the group's rows."""
        for index, rows in zip(self.blocks, self._walk(both)):
            slope = self.sums.slope(rows, self.n, factor[None])[0, :, : grad.shape[1]]
            grad.index_copy_(0, index, slope.to(grad.dtype))

    def _walk(self, both: tuple[Tensor, Tensor]) -> Iterator[_Rows]:
        # Written again by every block: fresh memory would cost a CPU as much as the arithmetic.
        size = len(self.blocks[0])
        fetched = [feat.new_empty(size, feat.shape[1]) for feat in both]
        buffers = self.n.new_empty(4, 1, size, self.width)
        for index in self.blocks:
            own, taught, *others = buffers[:, :, : len(index)]
            for feat, mean, narrow, wide in zip(both, self.means, fetched, (own, taught)):
                narrow = torch.index_select(feat, 0, index, out=narrow[: len(index)])
                wide[0, :, : feat.shape[1]].copy_(narrow).sub_(mean)
                wide[0, :, feat.shape[1] :].zero_()
            yield _Rows.of(own, taught, *others)


def _centered(feat: Tensor, rows: Tensor, real: Tensor, width: int) -> Tensor:
    """Fetch a block (g, m, C) in float64, centered per group, zero in padding."""
    block = F.embedding(rows, feat).double()
    n = real.sum(dim=1)[:, None, None]
    # Padding repeats the first row.
    mean = (block.sum(dim=1, keepdim=True) - (real.shape[1] - n) * block[:, :1]) / n
    return _widened(block.sub_(mean).mul_(real[:, :, None]), width)


def _widened(block: Tensor, width: int) -> Tensor:
    missing = width - block.shape[-1]
    return F.pad(block, (0, missing)) if missing else block


def _gram_form(
    own: Tensor, taught: Tensor, real: Tensor, factor: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Sum over pairs (g,) and, times a factor (g,), its gradient (g, m, C), by C x C products."""
    n = real.sum(dim=1).double()  # (g,)
    rows = _Rows.of(own, taught)
    sums = _Sums.of(rows)
    return sums.value(n), None if factor is None else sums.slope(rows, n, factor)


def _pair_form(
    own: Tensor, taught: Tensor, real: Tensor, factor: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """The same through m x m pairs, cheaper for small groups."""
    own, delta, total, u, _ = _Rows.of(own, taught)
    energy = delta @ total.mT
    residual = (u[:, :, None] + u[:, None, :]).sub_(energy).sub_(energy.mT)  # D_S - D_T, (g, m, m)
    residual.mul_(real[:, :, None] & real[:, None, :])
    value = residual.square().sum(dim=(1, 2))
    if factor is None:
        return value, None
    slope = residual.sum(dim=2, keepdim=True) * own - residual @ own
    return value, slope.mul_(factor[:, None, None])
