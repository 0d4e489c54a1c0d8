"""Squared-distance affinity in linear time.

Shape letters: N points, n points of one group, C channels (the wider of C_s and C_t), G groups,
g groups and m rows of one padded block.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..ops import Groups, group_rows, padded_blocks
from .checks import check_ids, connected_zero, full_precision

MAX_BLOCK_ROWS = 1 << 14
"""Padded rows per batched product; bounds the extra memory when there are many groups."""

STREAM_ROWS = 1 << 10
"""Rows held in float64 at a time of a group of more than eight times as many; they fit a cache."""


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

    No pair is formed for groups of at least C points. A distance does not change when features are
    centred, so centre both networks per group, pad the narrower with zero columns, and write
    :math:`\Delta = S - T`, :math:`P = S + T`, :math:`u_i = \Delta_i \cdot P_i = |s_i|^2 - |t_i|^2`
    and :math:`E = S S^\top - T T^\top = (\Delta P^\top + P \Delta^\top) / 2`. Then

    .. math::
        \sum_{ij} (D_S - D_T)_{ij}^2
            &= 2 n \sum_i u_i^2 + 2 \Big(\sum_i u_i\Big)^2 + 4 |E|_F^2 \\
        2 |E|_F^2 &= \langle P^\top P, \Delta^\top \Delta \rangle
            + \langle P^\top \Delta, \Delta^\top P \rangle

    needs C x C products only: O(n C^2) time, O(n C) memory, exact. Every term scales with
    :math:`\Delta`, so the value keeps its precision however near the student comes to its teacher.
    Sums run in float64. The gradient is computed in the same sweep,

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
        ValueError: If rows differ, the ids are no integers or ``weight`` is too short for them.

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
        raise ValueError(
            f'weight is indexed by group id and must have shape ({largest + 1},) or longer, '
            f'but got {tuple(weight.shape)}'
        )


class _AffinityMSE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, student, teacher, groups, scale, with_grad) -> Tensor:
        width = max(student.shape[1], teacher.shape[1])
        value = scale.new_zeros(())
        grad = torch.zeros_like(student) if with_grad else None
        large = groups.counts >= width
        huge = groups.counts > max(width, 8 * STREAM_ROWS)
        for group in huge.nonzero().squeeze(1).tolist():
            value = value + _stream(student, teacher, groups, group, scale[group], grad)
        for members, block_loss in ((large & ~huge, _gram_form), (~large & ~huge, _pair_form)):
            which = members.nonzero().squeeze(1)
            for block, rows, real in padded_blocks(groups, which, MAX_BLOCK_ROWS):
                own = _centred(student, rows, real, width)  # (g, m, C)
                taught = _centred(teacher, rows, real, width)
                total, own_grad = block_loss(own, taught, real, with_grad)
                value = value + (scale[block] * total).sum()
                if with_grad:
                    own_grad = own_grad * scale[block, None, None]
                    grad[rows[real]] = own_grad[real][:, : student.shape[1]].to(grad.dtype)
        ctx.save_for_backward(grad)
        return value.to(student.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_loss: Tensor):
        (grad,) = ctx.saved_tensors
        return grad_loss * grad, None, None, None, None


def _stream(
    student: Tensor,
    teacher: Tensor,
    groups: Groups,
    group: int,
    scale: Tensor,
    grad: Tensor | None,
) -> Tensor:
    """Weighted sum over the pairs of one large group, block by block of its rows.

    A first walk finds the means, a second the C x C products, a third writes the gradient. Each
    holds a block in float64 and nothing of the size of the group.
    """
    start, n = int(groups.starts[group]), int(groups.counts[group])
    blocks = groups.order[start : start + n].split(STREAM_ROWS)
    width = max(student.shape[1], teacher.shape[1])
    means = [sum(feat[rows].double().sum(dim=0) for rows in blocks) / n
             for feat in (student, teacher)]  # fmt: skip

    def walk() -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
        for rows in blocks:
            own, taught = (
                F.pad(feat[rows].double() - mean, (0, width - feat.shape[1]))
                for feat, mean in zip((student, teacher), means)
            )  # (m, C)
            delta, total = own - taught, own + taught
            yield rows, own, delta, total, (delta * total).sum(dim=1)

    dd, tt, td = scale.new_zeros(3, width, width)
    u_sum, u_square, u_own = scale.new_zeros(()), scale.new_zeros(()), scale.new_zeros(width)
    for _, own, delta, total, u in walk():
        for product, left, right in ((dd, delta, delta), (tt, total, total), (td, total, delta)):
            product.addmm_(left.T, right)
        u_sum += u.sum()
        u_square += u.square().sum()
        u_own += u @ own
    energy = ((tt * dd).sum() + (td * td.T).sum()) / 2
    if grad is not None:
        by_delta, by_total = (tt + td) / 2, (td.T + dd) / 2
        for rows, own, delta, total, u in walk():
            slope = (n * u + u_sum)[:, None] * own - u_own + delta @ by_delta + total @ by_total
            grad[rows] = (8 * scale * slope[:, : student.shape[1]]).to(grad.dtype)
    return scale * (2 * n * u_square + 2 * u_sum.square() + 4 * energy.clamp_min(0))


def _centred(feat: Tensor, rows: Tensor, real: Tensor, width: int) -> Tensor:
    """Fetch a block (g, m, C) in float64, centred per group, zero in padding."""
    block = feat[rows].double() * real[:, :, None]
    mean = block.sum(dim=1, keepdim=True) / real.sum(dim=1)[:, None, None]
    block = (block - mean) * real[:, :, None]
    return F.pad(block, (0, width - feat.shape[1]))


def _gram_form(
    own: Tensor, taught: Tensor, real: Tensor, with_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Sum over pairs (g,) and its gradient (g, m, C) through C x C products."""
    n = real.sum(dim=1).double()  # (g,)
    delta, total = own - taught, own + taught
    u = (delta * total).sum(dim=2)  # (g, m)
    dd, tt, td = delta.mT @ delta, total.mT @ total, total.mT @ delta  # (g, C, C)
    energy = ((tt * dd).sum(dim=(1, 2)) + (td * td.mT).sum(dim=(1, 2))) / 2
    # The second summand may be negative: rounding must not carry a rotation below zero.
    value = 2 * n * u.square().sum(dim=1) + 2 * u.sum(dim=1).square() + 4 * energy.clamp_min(0)
    if not with_grad:
        return value, None
    affine = (n[:, None] * u + u.sum(dim=1, keepdim=True))[:, :, None] * own
    affine = affine - u[:, None, :] @ own  # (g, m, C)
    twice_energy = (delta @ (tt + td) + total @ (td.mT + dd)) / 2
    return value, 8 * (affine + twice_energy)


def _pair_form(
    own: Tensor, taught: Tensor, real: Tensor, with_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """The same through m x m pairs, cheaper for groups of fewer points than channels."""
    delta, total = own - taught, own + taught
    u = (delta * total).sum(dim=2)  # (g, m)
    energy = delta @ total.mT
    residual = u[:, :, None] + u[:, None, :] - energy - energy.mT  # D_S - D_T, (g, m, m)
    residual = residual * (real[:, :, None] & real[:, None, :])
    value = residual.square().sum(dim=(1, 2))
    if not with_grad:
        return value, None
    return value, 8 * (residual.sum(dim=2, keepdim=True) * own - residual @ own)
