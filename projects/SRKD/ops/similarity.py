"""What several relation losses share.

Shape letters: N rows, C channels, G segments.
"""

from __future__ import annotations

import torch
from torch import Tensor


def l2_normalize(feat: Tensor) -> Tensor:
    """Scale every row (N, C) to length one.

    A row of zeros (a dead ReLU) stays zero and receives no gradient; dividing it by a small
    epsilon, as is common, would multiply its gradient by a million.

    Example:
        >>> l2_normalize(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
        tensor([[0.6000, 0.8000],
                [0.0000, 0.0000]])
    """
    if feat.shape[-1] == 0:
        return feat
    # Dividing by the largest entry first keeps the square of a tiny or huge row representable.
    peak = feat.detach().abs().amax(dim=-1, keepdim=True)
    alive = peak > 0
    feat = feat / torch.where(alive, peak, 1)
    square = torch.where(alive, feat.square().sum(dim=-1, keepdim=True), 1)
    return feat * torch.where(alive, square.rsqrt(), 0)


def unit_spread(feat: Tensor) -> Tensor:
    """Scale features (N, C) so that the mean squared distance of all pairs of rows is one.

    .. math::
        \\frac{1}{N^2} \\sum_{ij} |f_i - f_j|^2 = \\frac{2}{N} \\sum_i |f_i - \\bar f|^2

    which needs no pair at all. Identical rows are returned centered, that is as zeros.
    """
    centered = feat - feat.mean(dim=0) if len(feat) else feat
    spread = 2 * centered.square().sum() / max(len(feat), 1)
    alive = spread > 0
    return centered * torch.where(alive, torch.where(alive, spread, 1).rsqrt(), 0)


def segment_mean(feat: Tensor, segment: Tensor, num_segments: int) -> Tensor:
    """Average rows (N, C) over segments.

    Args:
        feat: Rows, (N, C).
        segment: Segment of every row in [0, G), (N,).
        num_segments: G.

    Returns:
        Means, (G, C); an empty segment gives zeros.

    Example:
        >>> segment_mean(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([1, 1, 0]), 2)
        tensor([[5.],
                [2.]])
    """
    total = feat.new_zeros(num_segments, feat.shape[1]).index_add(0, segment, feat)
    counts = torch.bincount(segment, minlength=num_segments).clamp_min(1)
    return total / counts[:, None].to(feat.dtype)
