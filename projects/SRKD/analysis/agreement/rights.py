"""Points that one network has right and another has not.

Shape letters: P points.
"""

from __future__ import annotations

import torch
from torch import Tensor


class Rights:
    """A 2 x 2 table of two networks, over points with a label.

    Attributes:
        counts: ``(2, 2)`` int64: rows whether the first is right (no, yes), columns the second.
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(2, 2, dtype=torch.int64)

    def add(self, first: Tensor, second: Tensor) -> None:
        """Add the points of a scan.

        Args:
            first: Whether the first network is right, (P,) bool.
            second: The second, (P,) bool.
        """
        cell = 2 * first.long() + second.long()
        self.counts += torch.bincount(cell.cpu(), minlength=4).view(2, 2)

    def result(self) -> dict[str, int]:
        """Points of each cell.

        Returns:
            ``both`` right, ``neither``, ``gained``: the first alone, ``lost``: the second alone.

        Example:
            >>> of = Rights()
            >>> of.add(torch.tensor([True, True, False]), torch.tensor([True, False, True]))
            >>> of.result()
            {'both': 1, 'gained': 1, 'lost': 1, 'neither': 0}
        """
        (neither, lost), (gained, both) = self.counts.tolist()
        return dict(both=both, gained=gained, lost=lost, neither=neither)
