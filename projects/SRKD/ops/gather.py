"""Collecting rows of all ranks of a distributed run.

Shape letters: n rows of one rank, N rows of all ranks, C channels, W ranks.
"""

from __future__ import annotations

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
