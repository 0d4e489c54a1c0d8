"""What flows through PTv3: features, and the index work of their stage, done once.

Shape letters: N rows of a stage, M rows of the next coarser one, O orders, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ...ops.sparse_conv import SparseGrid
from .patches import Patches, cut_patches


class StageIndex:
    """Rows of one stage: their order on every curve, patches and sparse neighbors.

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
        self._orders: dict[int, Tensor] = {}
        self._patches: dict[tuple[int, int], Patches] = {}
        self._cuts: dict[int, Patches] = {}

    def order(self, number: int) -> Tensor:
        """Rows ``(N,)`` along a curve; numbers beyond the last start again at the first."""
        number = number % len(self.codes)
        if number not in self._orders:
            self._orders[number] = self.codes[number].argsort()
        return self._orders[number]

    @cached_property
    def sizes(self) -> list[int]:
        """Rows of each sample."""
        return torch.bincount(self.coors[:, 0].long()).tolist()

    def patches(self, number: int, patch_size: int) -> Patches:
        """Return the patches along one order."""
        key = number % len(self.codes), patch_size
        if key not in self._patches:
            if patch_size not in self._cuts:
                self._cuts[patch_size] = cut_patches(self.sizes, patch_size, self.coors.device)
            self._patches[key] = self._cuts[patch_size].along(self.order(number))
        return self._patches[key]

    def pooled(self, halvings: int, shuffle: bool) -> StageIndex:
        """Return the stage whose cells are ``2**halvings`` times as large, along each axis.

        Args:
            halvings: How often to halve the grid.
            shuffle: Whether to permute its orders.
        """
        shift = min(halvings, self.depth)  # no bits left: one cell per sample, its id stays
        order = self.order(0)
        cells = self.codes[0, order] >> 3 * shift
        _, cell, count = cells.unique_consecutive(return_inverse=True, return_counts=True)
        parent = torch.empty_like(order).scatter_(0, order, cell)  # (N,)
        first = order[count.cumsum(0) - count]  # (M,)
        coors = torch.cat([self.coors[first, :1], self.coors[first, 1:] >> halvings], 1)
        codes = self.codes[:, first] >> 3 * shift
        if shuffle:
            codes = codes[torch.randperm(len(codes)).to(codes.device)]
        return StageIndex(coors, codes, self.depth - shift, self.stage + halvings, parent)


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
