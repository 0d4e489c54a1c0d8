"""Rows found by their key.

Shape letters: S rows that have a key, N keys looked for.
"""

import torch
from torch import Tensor


def find_rows(known: Tensor, wanted: Tensor) -> Tensor:
    """Row of ``known`` that holds each key of ``wanted``.

    Args:
        known: ``(S,)`` int64, in any order; of equal keys any may be found. Negative keys are those
            of rows that nobody can look for. May be empty.
        wanted: ``(N,)`` int64; a negative key is never found.

    Returns:
        ``(N,)`` int64; -1 where no row has that key.

    Example:
        >>> find_rows(torch.tensor([7, 3, 5]), torch.tensor([5, 4, 7])).tolist()
        [2, -1, 0]
    """
    if not len(known):
        return torch.full_like(wanted, -1)
    ordered, order = known.sort()
    slot = torch.searchsorted(ordered, wanted).clamp_(max=len(ordered) - 1)
    return torch.where((ordered[slot] == wanted) & (wanted >= 0), order[slot], -1)
