"""Sums over the edges of local graphs, of which only one block exists at a time.

Shape letters: M nodes (points or voxels), Q_b anchors and K_b neighbors of sample b, Q anchors of
all samples, c channels, (q, K) one block of a sample's anchors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

MAX_VALUES = 1 << 18
"""Values (q, K, c) held at a time, in each of five temporaries; 1 MiB in float32, for the cache."""

MAX_VALUES_CUDA = 1 << 22
"""The same on a GPU, where every block costs a score of launches."""


def edge_mse(
    student: tuple[Tensor, Tensor],
    teacher: tuple[Tensor, Tensor],
    neighbors: Sequence[Tensor],
    weight: Tensor,
    relu: bool = True,
) -> Tensor:
    r"""Weighted sum over anchors of the mean squared difference of their edges' features.

    .. math::
        L = \sum_q \frac{w_q}{K_q c} \sum_k \left| y^S_{qk} - y^T_{qk} \right|^2,
        \qquad y_{qk} = \operatorname{relu}(a_{n_{qk}} + b_q)

    Value and gradient come from one sweep over blocks of anchors: what is kept for the backward
    pass are the gradients themselves, of the size of a and b.

    Args:
        student: Summands a of the neighbors and b of the anchors, (M, c) and (Q, c).
        teacher: The same of the teacher.
        neighbors: Rows of the neighbors of every sample's anchors, (Q_b, K_b) int64 each.
        weight: w, (Q,); detached.
        relu: Whether features end in a ReLU, or are a + b.

    Returns:
        0-d loss.

    Raises:
        RuntimeError: If the gradient is to be differentiated again (``create_graph=True``).
    """
    return _EdgeMSE.apply(*student, *teacher, weight.detach(), relu, *neighbors)


class _EdgeMSE(torch.autograd.Function):
    @staticmethod
    def forward(ctx, around, center, taught_around, taught_center, weight, relu, *neighbors):
        needs = ctx.needs_input_grad
        grads = [
            [torch.zeros_like(x) for x in nodes] if any(wanted) else [None, None]
            for nodes, wanted in (
                ((around, center), needs[:2]), ((taught_around, taught_center), needs[2:4])
            )
        ]  # fmt: skip
        twice = around.new_zeros(())
        for anchors, rows in _blocks(neighbors, around.shape[1]):
            own = _features(around, center[anchors], rows, relu)
            taught = _features(taught_around, taught_center[anchors], rows, relu)
            gap = own - taught
            share = weight[anchors] * (2 / gap[0].numel())
            slope = gap * share[:, None, None]
            twice += gap.mul_(slope).sum()
            for value, (at_around, at_center) in zip((own, taught), grads):
                if at_around is not None:
                    # The sign of a ReLU's value is its derivative.
                    part = value.sign_().mul_(slope) if relu else slope
                    at_center[anchors] = part.sum(dim=1)
                    at_around.index_add_(0, rows.flatten(), part.flatten(0, 1))
                slope.neg_()
        ctx.save_for_backward(*grads[0], *grads[1])
        return twice / 2

    @staticmethod
    def backward(ctx, slope):
        _refuse_second_derivative()
        grads = (None if grad is None else grad * slope for grad in ctx.saved_tensors)
        return *grads, None, None, *[None] * (len(ctx.needs_input_grad) - 6)


def _refuse_second_derivative() -> None:
    # once_differentiable keeps silent where the upstream gradient is a constant, as it is here.
    if torch.is_grad_enabled():
        raise RuntimeError(
            'the gradient over streamed edges cannot be differentiated again: call backward '
            'without create_graph=True'
        )


def _features(around: Tensor, center: Tensor, rows: Tensor, relu: bool) -> Tensor:
    value = around.index_select(0, rows.flatten()).view(*rows.shape, -1).add_(center[:, None])
    return value.relu_() if relu else value


def _blocks(neighbors: Sequence[Tensor], width: int) -> Iterator[tuple[slice, Tensor]]:
    """Yield places among the anchors (q) and the rows of their neighbors (q, K)."""
    start = 0
    for rows in neighbors:
        held = MAX_VALUES_CUDA if rows.is_cuda else MAX_VALUES
        for block in rows.split(max(1, held // (rows.shape[1] * width))):
            yield slice(start, start + len(block)), block
            start += len(block)


@torch.no_grad()
def edge_peaks(
    around: Tensor, center: Tensor, neighbors: Sequence[Tensor], relu: bool = True
) -> Tensor:
    """Largest feature among the edges of every anchor, (Q,); arguments as in :func:`edge_mse`."""
    most = [torch.nn.functional.embedding_bag(rows, around, mode='max') for rows in neighbors]
    peak = (torch.cat(most) + center).amax(dim=1)
    return peak.relu_() if relu else peak


def edge_mean_square(around: Tensor, center: Tensor, neighbors: Sequence[Tensor]) -> Tensor:
    """Mean over edges of the square of every channel of a + b; arguments as in :func:`edge_mse`.

    Summed edge by edge: from sums over nodes, what is left of a where b cancels it would be noise.

    Returns:
        Mean squares, (c,) float64.
    """
    return _EdgeMeanSquare.apply(around, center, *neighbors)


class _EdgeMeanSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, around, center, *neighbors):
        ctx.save_for_backward(around, center, *neighbors)
        total = around.new_zeros(around.shape[1], dtype=torch.float64)
        for anchors, rows in _blocks(neighbors, around.shape[1]):
            value = _features(around, center[anchors], rows, relu=False)
            total += value.square_().sum(dim=(0, 1))
        return total / sum(rows.numel() for rows in neighbors)

    @staticmethod
    def backward(ctx, slope):
        _refuse_second_derivative()
        around, center, *neighbors = ctx.saved_tensors
        at_around, at_center = torch.zeros_like(around), torch.zeros_like(center)
        for anchors, rows in _blocks(neighbors, around.shape[1]):
            value = _features(around, center[anchors], rows, relu=False)
            at_center[anchors] = value.sum(dim=1)
            at_around.index_add_(0, rows.flatten(), value.flatten(0, 1))
        slope = (slope * 2 / sum(rows.numel() for rows in neighbors)).to(around)
        return at_around.mul_(slope), at_center.mul_(slope), *[None] * len(neighbors)


def neighbor_sum(value: Tensor, neighbors: Sequence[Tensor]) -> Tensor:
    """Sum the values (M, c) of the neighbors of every anchor, (Q, c).

    Args:
        value: Of every node, (M, c).
        neighbors: As in :func:`edge_mse`.
    """
    return _NeighborSum.apply(value, *neighbors)


class _NeighborSum(torch.autograd.Function):
    # embedding_bag has a backward pass, which sorts all edges and takes several times as long.
    @staticmethod
    def forward(ctx, value, *neighbors):
        ctx.num_rows = len(value)
        ctx.save_for_backward(*neighbors)
        sums = [torch.nn.functional.embedding_bag(rows, value, mode='sum') for rows in neighbors]
        return torch.cat(sums)

    @staticmethod
    def backward(ctx, slope):
        _refuse_second_derivative()
        grad = slope.new_zeros(ctx.num_rows, slope.shape[1])
        for anchors, rows in _blocks(ctx.saved_tensors, slope.shape[1]):
            part = slope[anchors, None].expand(-1, rows.shape[1], -1)
            grad.index_add_(0, rows.flatten(), part.flatten(0, 1))
        return grad, *[None] * len(ctx.saved_tensors)
