"""How the rows of serialized clouds are cut into patches.

Shape letters: N rows of all samples, T slots of all patches, B samples, S samples of one group, P
patches of W slots each.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True)
class PatchGroup:
    """Patches of equal width, attended in one call.

    Attributes:
        count: P.
        width: W.
        mask: ``(P, 1, 1, W)`` True where a slot holds a row; None where every slot does.
    """

    count: int
    width: int
    mask: Tensor | None


@dataclass(frozen=True)
class Patches:
    """Where rows go for patch attention.

    Attributes:
        rows: ``(T,)`` the row in every slot, groups one after the other.
        slot: ``(N,)`` the slot that holds each row's own result (borrowed rows stand in two).
        groups: The groups, whose ``count * width`` add up to T.
    """

    rows: Tensor
    slot: Tensor
    groups: tuple[PatchGroup, ...]

    def along(self, order: Tensor) -> Patches:
        """Apply to the rows ``order (N,)`` what was laid out for positions 0 ... N - 1."""
        slot = torch.empty_like(self.slot).scatter_(0, order, self.slot)
        return Patches(order[self.rows], slot, self.groups)


def cut_patches(sizes: list[int], patch_size: int, device: torch.device) -> Patches:
    """Cut samples, stored one after the other in serialized order, into patches.

    A sample of at least ``patch_size`` rows gives full patches. Its last one is filled up with the
    rows in the same slots of the patch before, which makes it the sample's last ``patch_size``
    rows. A smaller sample is one patch of its own; those of similar size (within a factor of two)
    are padded to a common width and masked.

    Args:
        sizes: Rows of each sample, B of them.
        patch_size: Rows of a full patch.
        device: Where the result is built.

    Returns:
        The patches of positions 0 ... N - 1.

    Example:
        >>> cut = cut_patches([5, 1], 3, torch.device('cpu'))
        >>> cut.rows.tolist(), cut.slot.tolist()
        ([0, 1, 2, 2, 3, 4, 5], [0, 1, 2, 4, 5, 6])
    """
    begins = [0, *accumulate(sizes)]
    members: dict[int, list[tuple[int, int]]] = {}
    for begin, size in zip(begins, sizes):
        if size > 0:
            octave = 0 if size >= patch_size else size.bit_length()
            members.setdefault(octave, []).append((begin, size))
    rows, groups, taken = [], [], 0
    # One place behind the last position takes what slots hold besides rows of their own.
    slot = torch.full((begins[-1] + 1,), -1, dtype=torch.long, device=device)
    for octave in sorted(members):
        begin, size = torch.tensor(members[octave]).unbind(1)  # (S,)
        width = patch_size if octave == 0 else int(size.max())
        place, own, mask = _cut_group(begin, size, width, device)
        here = torch.arange(taken, taken + place.numel(), device=device)
        slot[torch.where(own, place, begins[-1]).flatten()] = here
        groups.append(PatchGroup(len(place), width, mask))
        rows.append(place.flatten())
        taken += place.numel()
    rows = torch.cat(rows) if rows else slot[:0]
    return Patches(rows, slot[:-1], tuple(groups))


def _cut_group(
    begin: Tensor, size: Tensor, width: int, device: torch.device
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Positions ``(P, W)``, which of them are no repetition ``(P, W)``, and the mask."""
    number = (size + width - 1).div(width, rounding_mode='floor')  # patches per sample, (S,)
    sample = torch.repeat_interleave(number)  # (P,)
    patch = torch.arange(len(sample)) - (number.cumsum(0) - number)[sample]
    size = size[sample]
    start = torch.minimum(patch * width, (size - width).clamp(min=0))
    padded = bool((size < width).any())
    small = torch.stack([begin[sample] + start, patch * width - start, size])[..., None]
    first, fresh, size = small.to(device)  # (P, 1) each, in one transfer
    column = torch.arange(width, device=device)
    inside = column < size  # (P, W)
    place = first + torch.minimum(column, size - 1)
    return place, inside & (column >= fresh), inside[:, None, None] if padded else None
