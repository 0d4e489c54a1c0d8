"""Which channels of a layer a narrower one keeps, by the layer's own weights.

Shape letters: C_t channels of the teacher, C_s of the student.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ...base import UsageError

Choice = Callable[[Tensor, int], Tensor]
"""L1 norms of the teacher's filters ``(C_t,)`` and C_s -> ascending numbers of those to keep,
``(C_s,)`` int64."""


def strongest(norms: Tensor, count: int) -> Tensor:
    """The largest by L1 norm.

    Example:
        >>> strongest(torch.tensor([1.0, 3.0, 0.0, 2.0]), 2).tolist()
        [1, 3]
    """
    return norms.topk(count).indices.sort().values


def leading(norms: Tensor, count: int) -> Tensor:
    """The first.

    Example:
        >>> leading(torch.tensor([1.0, 3.0, 0.0, 2.0]), 2).tolist()
        [0, 1]
    """
    return torch.arange(count)


def evenly_spaced(norms: Tensor, count: int) -> Tensor:
    """Every n-th, n = C_t / C_s.

    Raises:
        UsageError: If C_s does not divide C_t.

    Example:
        >>> evenly_spaced(torch.tensor([1.0, 3.0, 0.0, 2.0]), 2).tolist()
        [0, 2]
    """
    of = len(norms)
    if of % count:
        divisors = [each for each in range(1, of + 1) if of % each == 0]
        nearest = min(divisors, key=lambda each: abs(each - count))
        raise UsageError(
            f'channels of the student must divide the {of} of its teacher, of which every n-th is '
            f'taken, but got {count}, nearest: {nearest}'
        )
    return torch.arange(count) * (of // count)


CHOICES: dict[str, Choice] = dict(norm=strongest, first=leading, even=evenly_spaced)
