"""The diffusion of CDSegNet: schedule, time embedding, and a noise that is no draw.

Shape letters: N rows, C channels, B samples, T time channels.
"""

import math

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 2^64 / golden ratio, as int64
_MIX = (-4658895280553007687, -7723592293110705685)


def cosine_alpha_bar(steps: int) -> Tensor:
    r"""Share of the signal's variance left after every diffusion step.

    .. math::
        \bar\alpha_t = \prod_{s \le t} \max\Big(\frac{f(s + 1)}{f(s)},\ 10^{-3}\Big), \qquad
        f(s) = \cos^2\Big(\frac{s / S + 0.008}{1.008} \cdot \frac{\pi}{2}\Big)

    (Nichol and Dhariwal, arXiv 2102.09672, Eq. 17, with steps' variances capped at 0.999.)

    Args:
        steps: S.

    Returns:
        ``(S,)`` float64, falling from about 1 to about 0.
    """
    s = torch.arange(steps + 1, dtype=torch.float64) / steps
    f = ((s + 0.008) / 1.008 * math.pi / 2).cos().square()
    return (f[1:] / f[:-1]).clamp(min=1e-3).cumprod(0)


def embed_time(time: Tensor, channels: int) -> Tensor:
    """Sines and cosines of a time step, wavelengths 2 pi ... 2 pi 10^4.

    Args:
        time: Steps, ``(B,)``.
        channels: T, even, at least 4.

    Returns:
        ``(B, T)`` float32, sines first.

    Example:
        >>> embed_time(torch.tensor([0]), 4).tolist()
        [[0.0, 0.0, 1.0, 1.0]]
    """
    half = channels // 2
    rate = torch.arange(half, device=time.device) * (-math.log(10000) / (half - 1))
    angle = time[:, None] * rate.exp()
    return torch.cat([angle.sin(), angle.cos()], 1)


def voxel_noise(coors: Tensor, channels: int, seed: int) -> Tensor:
    """Standard normal numbers that are a function of the voxel: the same in every forward.

    A voxel's numbers depend on its x, y, z, the channel and the seed; not on the row order, on the
    other samples of the batch or on the device, as those of a seeded generator would.

    Args:
        coors: ``(N, 4)`` batch, x, y, z.
        channels: C.
        seed: Another seed gives independent numbers.

    Returns:
        ``(N, C)`` float32.
    """
    state = torch.full_like(coors[:, 0], seed, dtype=torch.long)
    for axis in coors[:, 1:].long().unbind(1):
        state = _scramble(state + axis)
    counter = torch.arange(1, 2 * channels + 1, device=coors.device)
    bits = _scramble(state[:, None] + counter * _GOLDEN)  # (N, 2 C)
    uniform = ((bits >> 11 & (1 << 53) - 1).double() + 0.5) / 2**53  # inside (0, 1)
    radius, turn = uniform.chunk(2, 1)
    return ((-2 * radius.log()).sqrt() * (2 * math.pi * turn).cos()).float()  # Box-Muller


def _scramble(value: Tensor) -> Tensor:
    """Mix the bits of int64 numbers (SplitMix64: Steele et al., OOPSLA 2014)."""
    value = value + _GOLDEN
    for shift, factor in zip((30, 27), _MIX):
        value = (value ^ _shift(value, shift)) * factor
    return value ^ _shift(value, 31)


def _shift(value: Tensor, by: int) -> Tensor:
    """Shift right without copying the sign."""
    return value >> by & (1 << 64 - by) - 1
