"""Ragged batches: rows of all samples together, the sample of each named by ``batch`` (N,).

Shape letters: N rows of all samples together, G groups, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Groups(NamedTuple):
    """Rows sorted by their id.

    Attributes:
        ids: The ids that occur, ascending, (G,).
        counts: Rows of each id, (G,).
        starts: First position of each id in ``order``, (G,).
        order: Row numbers sorted by id, stable; rows with id -1 are absent.
    """

    ids: Tensor
    counts: Tensor
    starts: Tensor
    order: Tensor


def batch_to_list(rows: Tensor, batch: Tensor) -> list[Tensor]:
    """Split rows (N, ...) into one tensor per id that occurs, ascending by id.

    Example:
        >>> batch_to_list(torch.tensor([5, 6, 7]), torch.tensor([3, 0, 3]))
        [tensor([6]), tensor([5, 7])]
    """
    groups = group_rows(batch)
    return list(rows[groups.order].split(groups.counts.tolist()))


def group_rows(index: Tensor) -> Groups:
    """Sort rows by an id per row, (N,); ids may come in any order and with gaps.

    Rows with id -1 belong to no group.

    Example:
        >>> group_rows(torch.tensor([7, -1, 2, 7])).order
        tensor([2, 0, 3])
    """
    ids, order = torch.sort(index, stable=True)
    order = order[ids >= 0]
    ids, counts = torch.unique_consecutive(ids[ids >= 0], return_counts=True)
    return Groups(ids, counts, counts.cumsum(0) - counts, order)


def padded_blocks(
    groups: Groups, which: Tensor, max_rows: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Walk through chosen groups in blocks that fit one batched matrix product.

    Groups of similar size (within a factor of two) share a block, so padding costs at most as much
    as the rows themselves and the number of blocks does not grow with the number of groups.

    Args:
        groups: From :func:`group_rows`.
        which: Positions of the groups to visit, (g,).
        max_rows: Padded rows per block; a single group may exceed it.

    Yields:
        The block's group positions (g,), row numbers (g, m) and which of them are real (g, m);
        the others repeat the group's first row.
    """
    octave = torch.log2(groups.counts[which].double()).long()
    for exponent in torch.unique(octave).tolist():
        members = which[octave == exponent]
        for block in members.split(max(1, max_rows >> (exponent + 1))):
            counts = groups.counts[block]
            column = torch.arange(int(counts.max()), device=counts.device)
            real = column < counts[:, None]  # (g, m)
            position = groups.starts[block, None] + torch.where(real, column, 0)
            yield block, groups.order[position], real


def draw_rows(index: Tensor, limit: int) -> Tensor:
    """Draw at most ``limit`` rows of every id, uniformly without replacement.

    Args:
        index: Id per row, (N,); rows with id -1 are never drawn.
        limit: Rows kept of each id; ids with fewer rows keep all.

    Returns:
        Row numbers, ascending. The draw uses torch's global generator of the device.
    """
    shuffle = torch.randperm(len(index), device=index.device)
    groups = group_rows(index[shuffle])
    rank = torch.arange(len(groups.order), device=index.device)
    rank = rank - torch.repeat_interleave(groups.starts, groups.counts)
    return shuffle[groups.order[rank < limit]].sort().values
