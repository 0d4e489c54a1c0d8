"""PointROPE: attention that sees how far apart voxels are.

Shape letters: N rows, C channels, H heads, D = C / H channels per head.
"""

import torch
from torch import Tensor

from ...base import UsageError
from ..ptv3.attention import SerializedAttention
from ..ptv3.block import Block
from ..ptv3.point_cloud import PointCloud


def rotate(feat: Tensor, xyz: Tensor, frequency: float) -> Tensor:
    r"""Rotate pairs of channels by angles proportional to the coordinates.

    A head has a third of its channels for each axis, d = D / 3. Channels j and j + d / 2 of the
    axis with coordinate p turn by

    .. math:: \phi_j = p\, b^{-2 j / d}, \qquad 0 \le j < d / 2

    with b the base frequency (LitePT, arXiv 2512.13689, PointROPE). The product of a rotated query
    and a rotated key depends on the difference of their coordinates alone.

    Args:
        feat: Queries or keys, ``(N, H, D)``, 6 divides D.
        xyz: Coordinates, ``(N, 3)``.
        frequency: b.

    Returns:
        ``(N, H, D)`` in the dtype of ``feat``; computed in float32 at least.

    Example:
        >>> rotate(torch.ones(1, 1, 6), torch.zeros(1, 3), 100.0).flatten().tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    pairs = feat.shape[-1] // 6
    dtype = torch.promote_types(feat.dtype, torch.float32)
    step = torch.arange(pairs, dtype=torch.float64, device=feat.device) / pairs
    # float64: angles of far voxels lose nothing, and there are few of them
    angle = xyz.double()[..., None] * frequency**-step  # (N, 3, D / 6)
    cos, sin = angle.cos().to(dtype)[:, None], angle.sin().to(dtype)[:, None]
    first, second = feat.to(dtype).unflatten(-1, (3, 2, pairs)).unbind(-2)  # (N, H, 3, D / 6)
    turned = torch.stack([first * cos - second * sin, first * sin + second * cos], -2)
    return turned.flatten(-3).to(feat.dtype)


class RotaryAttention(SerializedAttention):
    """Patch attention with rotated queries and keys.

    Args:
        channels: C.
        num_heads: H; 6 H divides C.
        frequency: Base frequency.
        attention: Further arguments of :class:`SerializedAttention`.

    Raises:
        UsageError: If a head's channels are no multiple of 6: a pair for each axis.
    """

    def __init__(self, channels: int, num_heads: int, *args, frequency: float, **attention) -> None:
        super().__init__(channels, num_heads, *args, **attention)
        if channels % (6 * num_heads):
            raise UsageError(
                f'a head of rotary attention must have a multiple of 6 channels, but got '
                f'{channels // num_heads} ({channels} channels, {num_heads} heads)'
            )
        self.frequency = frequency

    def _project(self, feat: Tensor, cloud: PointCloud) -> Tensor:
        qkv = super()._project(feat, cloud)
        turned, value = qkv.split([2 * self.channels, self.channels], 1)
        turned = turned.unflatten(1, (2 * self.num_heads, -1))
        turned = rotate(turned, cloud.coors[:, 1:], self.frequency)
        return torch.cat([turned.flatten(1), value], 1)


class RotaryBlock(Block):
    """PTv3's block with a norm where its convolution was, and rotary attention."""

    attention_type = RotaryAttention

    def _add_position(self, channels: int) -> None:
        self.norm0 = torch.nn.Sequential(torch.nn.LayerNorm(channels))

    def _encode_position(self, feat: Tensor, cloud: PointCloud) -> Tensor:
        return self.norm0(feat)  # not residual: as published, the norm is on the main path
