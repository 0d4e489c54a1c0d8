"""Nearest neighbours without the full distance matrix.

Shape letters: Q queries, R references, D axes or channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

MAX_DISTANCES = 1 << 22
"""Distances held at a time; 16 MiB in float32."""


@torch.no_grad()
def knn(query: Tensor, reference: Tensor, k: int) -> Tensor:
    """Find the nearest references of every query by Euclidean distance.

    Distances come from differences, not from the expanded square, which in float32 confuses
    neighbours a centimetre apart at 50 m from the origin.

    Args:
        query: Positions or features, (Q, D).
        reference: Positions or features, (R, D).
        k: Neighbours wanted.

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
    reference = reference.to(dtype)
    found = [
        torch.cdist(rows.to(dtype), reference, compute_mode='donot_use_mm_for_euclid_dist')
        .topk(k, dim=1, largest=False)
        .indices
        for rows in query.split(max(1, MAX_DISTANCES // len(reference)))
    ]
    return torch.cat(found)
