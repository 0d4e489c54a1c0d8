"""Nearest neighbors without the full distance matrix.

Shape letters: Q queries, R references, D axes or channels.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

MAX_DISTANCES = 1 << 22
"""Distances held at a time; 16 MiB in float32."""

WIDE = 16
"""Axes from which a matrix product proposes neighbors; eight times faster at 64."""

SPARE = 32
"""Neighbors proposed beyond those wanted."""


@torch.no_grad()
def knn(query: Tensor, reference: Tensor, k: int) -> Tensor:
    """Find the nearest references of every query by Euclidean distance.

    Distances come from differences, not from the expanded square, which in float32 confuses
    neighbors a centimeter apart at 50 m from the origin. Among features (at least ``WIDE`` axes)
    the square, taken from their mean, proposes ``SPARE`` references more than wanted, and
    differences decide.

    Args:
        query: Positions or features, (Q, D).
        reference: Positions or features, (R, D).
        k: Neighbors wanted.

    Returns:
        Row numbers of ``reference``, (Q, min(k, R)) int64, nearest first, ties in any order.
        A query that is itself a reference finds itself.

    Raises:
        ValueError: If the widths differ or ``k`` is not positive.

    Example:
        >>> knn(torch.tensor([[0.0], [9.0]]), torch.tensor([[8.0], [1.0], [3.0]]), k=2)
        tensor([[1, 2],
                [0, 2]])
    """
    if k < 1:
        raise ValueError(f'k must be at least 1, but got {k}')
    if query.dim() != 2 or reference.dim() != 2 or query.shape[1] != reference.shape[1]:
        raise ValueError(
            'query and reference must be (Q, D) and (R, D) with the same D, but got '
            f'{tuple(query.shape)} and {tuple(reference.shape)}'
        )
    k = min(k, len(reference))
    if k == 0 or len(query) == 0:
        return torch.zeros(len(query), k, dtype=torch.int64, device=query.device)
    dtype = torch.promote_types(torch.promote_types(query.dtype, reference.dtype), torch.float32)
    query, reference = query.to(dtype), reference.to(dtype)
    found = query.new_empty(len(query), k, dtype=torch.int64)
    if query.shape[1] < WIDE:
        nearest, held = _by_difference, len(reference)
    else:
        center = reference.mean(dim=0)
        query, reference = query - center, reference - center
        square = reference.square().sum(dim=1)
        nearest = functools.partial(_by_product, square=square)
        held = max(len(reference), (k + SPARE) * query.shape[1])
    step = max(1, MAX_DISTANCES // held)
    for rows, into in zip(query.split(step), found.split(step)):
        into.copy_(nearest(rows, reference, k))
    return found


def _by_difference(query: Tensor, reference: Tensor, k: int) -> Tensor:
    distance = torch.cdist(query, reference, compute_mode='donot_use_mm_for_euclid_dist')
    return distance.topk(k, dim=1, largest=False).indices


def _by_product(query: Tensor, reference: Tensor, k: int, square: Tensor) -> Tensor:
    # |q - r|^2 without |q|^2, which is the same for all r
    distance = torch.addmm(square, query, reference.T, alpha=-2)
    spare = min(k + SPARE, len(reference))
    near = distance.topk(spare, dim=1, largest=False, sorted=False).indices
    gap = reference.index_select(0, near.flatten()).view(*near.shape, -1)
    exact = gap.sub_(query[:, None]).square_().sum(dim=2)
    return near.gather(1, exact.topk(k, dim=1, largest=False).indices)
