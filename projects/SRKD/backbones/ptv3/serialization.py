"""Space-filling curves: one integer per voxel, near in space when near in value.

Shape letters: N voxels.
"""

from typing import Literal

import torch
from torch import Tensor

from ...base import ScanError, UsageError

MAX_DEPTH = 16  # 3 * 16 bits of position leave 15 for the sample id
CURVES = ('z', 'z-trans', 'hilbert', 'hilbert-trans')


def serialize(coors: Tensor, depth: int, order: str) -> Tensor:
    """Code every voxel by its place on a curve.

    Args:
        coors: Batch, x, y, z, ``(N, 4)``, each of x, y, z in ``[0, 2**depth)``.
        depth: Bits per axis.
        order: One of :data:`CURVES`; ``-trans`` swaps x and y.

    Returns:
        ``(N,)`` int64 codes with the sample id above bit ``3 * depth``.

    Example:
        >>> serialize(torch.tensor([[0, 1, 0, 0], [1, 0, 0, 1]]), 1, 'z').tolist()
        [4, 9]
    """
    batch, x, y, z = coors.long().unbind(1)
    if order.endswith('-trans'):
        x, y = y, x
    curve = hilbert_code if order.startswith('hilbert') else z_code
    return batch << 3 * depth | curve(x, y, z, depth)


def z_code(x: Tensor, y: Tensor, z: Tensor, depth: int) -> Tensor:
    """Interleave the bits of x, y, z, x highest (Morton order); ``(N,)`` int64 each."""
    return _spread(x, depth) << 2 | _spread(y, depth) << 1 | _spread(z, depth)


def hilbert_code(x: Tensor, y: Tensor, z: Tensor, depth: int) -> Tensor:
    """Distance along the Hilbert curve; ``(N,)`` int64 each.

    Source: J. Skilling, Programming the Hilbert curve, AIP 707, 2004: rotate and reflect bit by
    bit, then read the interleaved bits as a Gray code.
    """
    axes = [x, y, z]
    for bit in range(depth - 1, 0, -1):
        below = (1 << bit) - 1
        for i in range(3):
            set_here = (axes[i] >> bit & 1).bool()
            # set: reflect the lower bits of x; clear: exchange the lower bits of x and this axis
            exchange = (axes[0] ^ axes[i]) & below
            first = torch.where(set_here, axes[0] ^ below, axes[0] ^ exchange)
            if i > 0:
                axes[i] = torch.where(set_here, axes[i], axes[i] ^ exchange)
            axes[0] = first
    code = z_code(*axes, depth)
    shift = 1
    while shift < 3 * depth:  # Gray code to binary: xor of all higher bits
        code = code ^ code >> shift
        shift *= 2
    return code


def _spread(value: Tensor, depth: int) -> Tensor:
    """Move bit i to bit 3 i."""
    spread = torch.zeros_like(value)
    for bit in range(depth):
        spread |= (value >> bit & 1) << 3 * bit
    return spread


def grid_depth(coors: Tensor, depth: int | Literal['floor'] | None = None) -> int:
    """Choose the bits per axis of the serialization, or check a choice.

    Args:
        coors: Voxels, ``(N, 4)`` batch, x, y, z.
        depth: Bits per axis; None takes Pointcept's present rule from the largest coordinate m,
            ``(m + 1).bit_length()``, ``'floor'`` its older one, ``m.bit_length()``, at least 1,
            which CDSegNet's fork keeps. They differ where m is 2^k - 1.

    Raises:
        UsageError: If a coordinate is negative or does not fit; names it and the depth it needs
            (and, as a :class:`~projects.SRKD.base.ScanError`, the sample).

    Example:
        >>> [grid_depth(torch.tensor([[0, m, 7, 0]])) for m in (23, 30, 31)]
        [5, 5, 6]
        >>> grid_depth(torch.tensor([[0, 31, 7, 0]]), 'floor')
        5
    """
    if not len(coors):
        return depth if isinstance(depth, int) else 1
    smallest, largest = torch.stack(coors[:, 1:].aminmax()).tolist()
    if smallest < 0:
        raise UsageError(
            f'voxel coordinates must not be negative, but got {smallest}: subtract the minimum of '
            'each sample'
        )
    needed = max(largest.bit_length(), 1)
    most = min(depth, MAX_DEPTH) if isinstance(depth, int) else MAX_DEPTH
    if needed > most:
        cure = 'use larger voxels or crop the cloud'
        if needed <= MAX_DEPTH:
            cure = f'set depth={needed} of the backbone, or crop the cloud'
        sample = int(coors[coors[:, 1:].amax(1).argmax(), 0])
        raise ScanError(
            f'serialization of depth {most} (at most {MAX_DEPTH}) holds coordinates below '
            f'{2**most}, but got {largest}, which needs depth {needed}: {cure}',
            sample,
        )
    if depth is None:
        return min((largest + 1).bit_length(), MAX_DEPTH)
    return needed if depth == 'floor' else depth
