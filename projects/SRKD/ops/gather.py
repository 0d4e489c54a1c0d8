"""What the ranks of a distributed run tell each other: rows, and what their means count.

Shape letters: n rows of one rank, N rows of all ranks, C channels, W ranks.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


def world_size() -> int:
    """Return the number of ranks, 1 outside a distributed run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather_rows(rows: Tensor) -> Tensor:
    """Join the rows of all ranks, in rank order.

    Every rank must call this, with any number of rows (zero included) of the same width and dtype.

    The gradient of a rank's own rows is multiplied by W: every rank computes the same loss from
    the joined rows and ``DistributedDataParallel`` averages over ranks, so that the parameters
    receive exactly the gradient of one process that sees all rows. Nothing is communicated in the
    backward pass.

    Args:
        rows: This rank's rows, (n, ...).

    Returns:
        All rows, (N, ...); ``rows`` itself outside a distributed run.
    """
    return rows if world_size() == 1 else _GatherRows.apply(rows)


def rank_share(
    units: Tensor | float | Callable[[], Tensor | float], like: Tensor
) -> Tensor | float:
    r"""Return what makes ``DistributedDataParallel`` average means over ranks of unequal size.

    .. math:: W \, \frac{u_r}{\sum_r u_r}

    A loss that is a mean over u_r units of rank r (points, samples, boxes, weights), times this
    number, averages over the ranks to the mean over all units, values and gradients: that of one
    process with the whole batch. A rank without units counts for nothing.

    Every rank must call this in every step, also one without units. A number that is not finite
    counts as none, so that what is wrong on one rank stays its own.

    Args:
        units: What the mean of this rank divides by, at least 0; or what computes it, which is
            called in a distributed run alone.
        like: Tells the device, and the dtype of the answer (float32 at least).

    Returns:
        0-d factor, detached; 1.0 outside a distributed run and where no rank has units.
    """
    world = world_size()
    if world == 1:
        return 1.0
    units = units() if callable(units) else units
    own = torch.as_tensor(units, dtype=torch.float64, device=like.device).detach()
    own = torch.where(own.isfinite(), own, 0)
    total = own.clone()
    dist.all_reduce(total)
    share = torch.where(total > 0, own * world / torch.where(total > 0, total, 1), 1)
    return share.to(torch.promote_types(like.dtype, torch.float32))


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor) -> Tensor:
        rank, world = dist.get_rank(), world_size()
        count = torch.tensor([len(rows)], device=rows.device)
        counts = [torch.empty_like(count) for _ in range(world)]
        dist.all_gather(counts, count)
        counts = [int(each) for each in counts]
        # all_gather wants equal shapes: pad to the longest rank, then cut.
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        everyone = [torch.empty_like(padded) for _ in range(world)]
        dist.all_gather(everyone, padded)
        ctx.start, ctx.count, ctx.world = sum(counts[:rank]), counts[rank], world
        return torch.cat([each[:n] for each, n in zip(everyone, counts)])

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad[ctx.start : ctx.start + ctx.count] * ctx.world
