"""What flows through PTv3: features, and the index work of their stage, done once.

Shapes: N rows of a stage, O orders, B samples, P patch size, F full patches, S short clouds of at
most L rows, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

import torch
from torch import Tensor

from ...ops.sparse_conv import SparseGrid


@dataclass(frozen=True)
class Patches:
    """Where the rows of a stage go for patch attention along one order.

    Attributes:
        full: ``(F, P)`` rows of the full patches. The last patch of a cloud is filled up with the
            rows that stand in the same slots of the patch before.
        short: ``(S, L)`` rows of the clouds smaller than a patch, padded with their first row.
        mask: ``(S, 1, 1, L)`` True where ``short`` holds a row and not padding.
        slot: ``(N,)`` where each row's result stands in the flattened full, then short patches.
    """

    full: Tensor
    short: Tensor
    mask: Tensor
    slot: Tensor


class StageIndex:
    """Rows of one stage: their order on every curve, patches and sparse neighbours.

    Everything is found at first use and shared by the blocks of the stage, encoder and decoder.

    Args:
        coors: ``(N, 4)`` batch, x, y, z.
        codes: ``(O, N)`` serialization codes.
        depth: Bits per axis of the codes.
        stage: How often the grid was halved.
        parent: For each row of the finer stage its row here; None at the finest.
    """

    def __init__(
        self,
        coors: Tensor,
        codes: Tensor,
        depth: int,
        stage: int = 0,
        parent: Tensor | None = None,
    ) -> None:
        self.coors, self.codes, self.depth = coors, codes, depth
        self.stage, self.parent = stage, parent
        self.grid = SparseGrid(coors)
        self._patches: dict[tuple[int, int], Patches] = {}
        self._layouts: dict[int, tuple[Tensor, ...]] = {}

    @cached_property
    def orders(self) -> Tensor:
        """Rows sorted along every curve, ``(O, N)``."""
        return self.codes.argsort(dim=1)

    @cached_property
    def sizes(self) -> list[int]:
        """Rows of each sample, B of them."""
        return torch.bincount(self.coors[:, 0].long()).tolist()

    def pooled(self, shuffle: bool) -> StageIndex:
        """Return the stage of half the grid.

        Args:
            shuffle: Whether to permute its orders.
        """
        shift = min(1, self.depth)  # no bits left: one cell per sample, the id must not move
        _, parent = torch.unique(self.codes[0] >> 3 * shift, return_inverse=True)
        rows = torch.arange(len(parent), device=parent.device)
        size = int(parent.max()) + 1 if len(parent) else 0
        first = torch.full((size,), len(parent), device=parent.device)
        first.scatter_reduce_(0, parent, rows, 'amin')
        coors = torch.cat([self.coors[first, :1], self.coors[first, 1:] >> 1], 1)
        codes = self.codes[:, first] >> 3 * shift
        if shuffle:
            codes = codes[torch.randperm(len(codes)).to(codes.device)]
        return StageIndex(coors, codes, self.depth - shift, self.stage + 1, parent)

    def patches(self, order: int, patch_size: int) -> Patches:
        """Return the patches along one order."""
        order = order % len(self.codes)
        if (order, patch_size) not in self._patches:
            full, short, mask, slot = self._layout(patch_size)
            row = self.orders[order]
            slot_of_row = torch.empty_like(slot).scatter_(0, row, slot)
            self._patches[order, patch_size] = Patches(row[full], row[short], mask, slot_of_row)
        return self._patches[order, patch_size]

    def _layout(self, patch_size: int) -> tuple[Tensor, ...]:
        """Patches in terms of sorted positions, the same for every order."""
        if patch_size not in self._layouts:
            full, short, slot, taken, start = [], [], [], 0, 0
            for size in self.sizes:
                if size >= patch_size:
                    place = torch.arange(ceil(size / patch_size) * patch_size)
                    # beyond the end: the same slot, one patch earlier
                    full.append(torch.where(place < size, place, place - patch_size) + start)
                    slot.append(torch.arange(size) + taken)
                    taken += len(place)
                else:
                    slot.append(None)
                    if size:
                        short.append((start, size))
                start += size
            longest = max((size for _, size in short), default=0)
            places = iter(range(len(short)))
            for i, size in enumerate(self.sizes):
                if slot[i] is None:
                    place = next(places) if size else 0
                    slot[i] = torch.arange(size) + taken + place * longest
            column = torch.arange(longest)
            begin = torch.tensor([begin for begin, _ in short], dtype=torch.long)[:, None]
            size = torch.tensor([size for _, size in short], dtype=torch.long)[:, None]
            mask = column < size  # (S, L)
            none = torch.zeros(0, dtype=torch.long)
            layout = (
                torch.cat([none, *full]).view(-1, patch_size),
                begin + torch.where(mask, column, 0),
                mask[:, None, None],
                torch.cat([none, *slot]),
            )
            self._layouts[patch_size] = tuple(part.to(self.coors.device) for part in layout)
        return self._layouts[patch_size]


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Features of a stage's rows; never changed in place, so a tap may keep it.

    Attributes:
        feat: ``(N, C)``.
        index: The stage they belong to.
        position_feat: ``(N, C)`` what the next block's positional encoding convolves where that is
            not ``feat``; else None.
    """

    feat: Tensor
    index: StageIndex
    position_feat: Tensor | None = None

    @property
    def coors(self) -> Tensor:
        """``(N, 4)`` batch, x, y, z on the grid of the stage."""
        return self.index.coors

    @property
    def stage(self) -> int:
        """How often the grid was halved."""
        return self.index.stage

    def replace(self, feat: Tensor, position_feat: Tensor | None = None) -> PointCloud:
        """Return the same rows with other features."""
        return replace(self, feat=feat, position_feat=position_feat)
