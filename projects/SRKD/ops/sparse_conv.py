"""Sparse convolution: pairs of rows, gather, multiply, scatter.

The one place where the sparse backend is chosen, see :func:`sparse_backend`.

Shape letters: N input rows, M output rows, K kernel offsets, C_in and C_out channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from itertools import product

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Pairs = Sequence[tuple[Tensor, Tensor] | None]


def pair_conv(
    feat: Tensor, weight: Tensor, pairs: Pairs, num_out: int, bias: Tensor | None = None
) -> Tensor:
    r"""Convolve sparse rows over explicit pairs, exactly and with any number of threads.

    .. math:: o_m = b + \sum_k W_k \sum_{(n, m) \in \mathrm{pairs}_k} f_n

    Sums are accumulated in float32 (float64 for float64 input). Backward gathers again instead of
    keeping K gathered copies.

    Args:
        feat: Input features, ``(N, C_in)``.
        weight: Kernel, ``(C_out, K, C_in)``.
        pairs: Per kernel offset the rows to gather from and the rows to add to, int64 of equal
            length, no output row twice; None for the identity (needs M = N).
        num_out: M.
        bias: ``(C_out,)`` or None.

    Returns:
        ``(M, C_out)`` in the dtype of ``feat`` (under autocast: in autocast's).

    Raises:
        ValueError: If the kernel has another number of offsets than there are pair lists.
    """
    if weight.shape[1] != len(pairs):
        raise ValueError(
            f'pairs must hold a list for each of the {weight.shape[1]} offsets of the kernel, '
            f'but got {len(pairs)}'
        )
    device = feat.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else feat.dtype
    flat = [rows for pair in pairs for rows in (pair or (None, None))]
    with torch.autocast(device, enabled=False):
        out = _PairConv.apply(feat.to(dtype), weight.to(dtype), num_out, *flat)
        return out if bias is None else out + bias.to(out.dtype)


class _PairConv(torch.autograd.Function):
    """Gather, matmul, scatter for every kernel offset, without keeping what was gathered."""

    @staticmethod
    def forward(ctx, feat: Tensor, weight: Tensor, num_out: int, *rows: Tensor | None) -> Tensor:
        ctx.save_for_backward(feat, weight, *rows)
        sums = _accumulator(feat, num_out, weight.shape[0])
        for k, (gather, scatter) in enumerate(zip(rows[::2], rows[1::2])):
            _add_rows(sums, scatter, _take(feat, gather) @ weight[:, k].T)
        return sums.to(feat.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple:
        feat, weight, *rows = ctx.saved_tensors
        grad_feat = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_feat = _accumulator(feat, *feat.shape)
        if ctx.needs_input_grad[1]:
            grad_weight = torch.zeros_like(weight)
        for k, (gather, scatter) in enumerate(zip(rows[::2], rows[1::2])):
            grad_rows = _take(grad, scatter)  # (P, C_out)
            if grad_feat is not None:
                _add_rows(grad_feat, gather, grad_rows @ weight[:, k])
            if grad_weight is not None:
                grad_weight[:, k] = grad_rows.T @ _take(feat, gather)
        grad_feat = None if grad_feat is None else grad_feat.to(feat.dtype)
        return grad_feat, grad_weight, None, *[None] * len(rows)


def _accumulator(like: Tensor, rows: int, width: int) -> Tensor:
    dtype = torch.promote_types(like.dtype, torch.float32)
    return torch.zeros(rows, width, dtype=dtype, device=like.device)


def _take(feat: Tensor, rows: Tensor | None) -> Tensor:
    return feat if rows is None else feat.index_select(0, rows)


def _add_rows(sums: Tensor, rows: Tensor | None, values: Tensor) -> None:
    if rows is None:
        sums += values
    else:
        sums.index_add_(0, rows, values.to(sums.dtype))


def submanifold_pairs(coors: Tensor, kernel_size: int) -> list[tuple[Tensor, Tensor] | None]:
    """Find the neighbors that a submanifold convolution joins.

    By sorting and searching packed coordinates: no dense grid, any batch size. One search serves
    a line of the kernel along z, whose cells follow one another in the sorted order, and only half
    of the kernel is searched: the other half is its mirror image.

    Args:
        coors: Distinct non-negative voxels, ``(N, 4)`` batch, x, y, z; below 2^16 each.
        kernel_size: Odd edge k of the kernel.

    Returns:
        k^3 pairs (input rows, output rows) in the kernel's x, y, z order; the center is None.

    Raises:
        ValueError: If ``kernel_size`` is even or a voxel occurs twice.

    Example:
        >>> pairs = submanifold_pairs(torch.tensor([[0, 0, 0, 0], [0, 0, 0, 1]]), 3)
        >>> [k for k, pair in enumerate(pairs) if pair is None or len(pair[0])]
        [12, 13, 14]
    """
    if kernel_size % 2 == 0:
        raise ValueError(
            f'kernel_size must be odd, as a submanifold kernel has a center, but got {kernel_size}'
        )
    reach, half = kernel_size // 2, kernel_size**3 // 2
    # `reach` empty cells behind every row: a neighbor below zero on one axis, which would wrap
    # into another row, meets none.
    span = (coors[:, 1:].amax(0).long() + 1 + reach).tolist() if len(coors) else [1, 1, 1]
    stride = (span[1] * span[2], span[2], 1)
    batch, x, y, z = coors.long().unbind(1)
    key, order = ((batch * span[0] + x) * stride[0] + y * stride[1] + z).sort()
    if len(key) > 1 and bool((same := key[1:] == key[:-1]).any()):
        voxel = coors[order[same.nonzero()[0, 0]]].tolist()
        raise ValueError(f'voxels must be distinct, but batch, x, y, z = {voxel} occurs twice')
    fence = torch.cat([key, key.new_tensor([torch.iinfo(key.dtype).max])])
    pairs: list = [None] * kernel_size**3
    for k, (dx, dy, dz) in enumerate(product(range(-reach, reach + 1), repeat=3)):
        if k == half:
            break
        wanted = key + (dx * stride[0] + dy * stride[1] + dz)
        if dz == -reach:
            slot = torch.searchsorted(key, wanted)
        found = fence[slot] == wanted
        here, there = order[found], order[slot[found]]
        pairs[k], pairs[-1 - k] = (there, here), (here, there)
        slot = slot + found
    return pairs


@cache
def sparse_backend(device_type: str) -> str:
    """Which sparse convolution serves a kind of device: ``'spconv'`` or ``'torch'``.

    spconv (a CUDA build, or spconv-triton, which answers to the same import) serves GPUs. Its CPU
    convolutions are wrong now and then with more than one thread, so a CPU gets plain torch, as
    does a GPU without spconv or with its CPU-only build.

    Args:
        device_type: ``torch.device(...).type``.
    """
    if device_type != 'cuda' or find_spec('spconv') is None:
        return 'torch'
    if find_spec('spconv.cppconstants') is None:  # spconv-triton is not compiled
        return 'spconv'
    return 'torch' if import_module('spconv.cppconstants').CPU_ONLY_BUILD else 'spconv'


class SparseGrid:
    """The rows of one sparse tensor and the neighbor maps found for them so far.

    Args:
        coors: ``(N, 4)`` batch, x, y, z.
    """

    def __init__(self, coors: Tensor) -> None:
        self.coors = coors
        self._pairs: dict[int, Pairs] = {}
        self.indice_dict: dict = {}  # spconv's own cache

    def pairs(self, kernel_size: int) -> Pairs:
        """Return the pairs of a submanifold kernel, found at the first call."""
        if kernel_size not in self._pairs:
            self._pairs[kernel_size] = self._inner_pairs(kernel_size) or submanifold_pairs(
                self.coors, kernel_size
            )
        return self._pairs[kernel_size]

    def _inner_pairs(self, kernel_size: int) -> Pairs | None:
        """Pairs of a kernel that lies inside one already known."""
        for size, pairs in self._pairs.items():
            if size > kernel_size and (size - kernel_size) % 2 == 0:
                margin = (size - kernel_size) // 2
                inner = product(range(margin, size - margin), repeat=3)
                return [pairs[(x * size + y) * size + z] for x, y, z in inner]
        return None

    @cached_property
    def extent(self) -> tuple[list[int], int]:
        """Size of the grid in x, y, z and number of samples, as spconv wants them."""
        *shape, batch = (self.coors[:, [1, 2, 3, 0]].amax(0) + 1).tolist()
        return shape, batch


class SubMConv3d(nn.Module):
    """Submanifold convolution with spconv's parameter names, shapes and initialization.

    Weights of spconv-based checkpoints load unchanged. The GPU path through spconv has not been
    run where this was written.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: Odd edge of the kernel.
        bias: Whether to add a bias.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, bias: bool = True
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = kernel_size
        self.weight = nn.Parameter(torch.empty(out_channels, *[kernel_size] * 3, in_channels))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialize as ``nn.Conv3d`` and spconv do: uniform within 1 / sqrt(fan in)."""
        bound = 1 / math.sqrt(self.kernel_size**3 * self.in_channels)
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Show the shape of the kernel."""
        return f'{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}'

    def forward(self, feat: Tensor, grid: SparseGrid) -> Tensor:
        """Convolve ``(N, C_in)`` features of the grid's rows into ``(N, C_out)``."""
        # spconv multiplies in float16 under autocast and knows no bfloat16 of its own.
        fit = len(feat) > 0 and self.weight.dtype != torch.bfloat16
        if fit and sparse_backend(feat.device.type) == 'spconv':
            return self._spconv(feat, grid)
        weight = self.weight.flatten(1, 3)  # (C_out, K, C_in)
        return pair_conv(feat, weight, grid.pairs(self.kernel_size), len(feat), self.bias)

    def _spconv(self, feat: Tensor, grid: SparseGrid) -> Tensor:
        spconv = import_module('spconv.pytorch')
        layer = self.__dict__.get('_layer')
        if layer is None:
            layer = spconv.SubMConv3d(
                self.in_channels, self.out_channels, self.kernel_size,
                bias=self.bias is not None, indice_key=f'subm{self.kernel_size}',
            )  # fmt: skip
            self.__dict__['_layer'] = layer  # not a submodule: the parameters are ours
        layer.weight, layer.bias = self.weight, self.bias
        layer.training = self.training
        shape, batch = grid.extent
        tensor = spconv.SparseConvTensor(feat, grid.coors.int(), shape, batch)
        tensor.indice_dict = grid.indice_dict
        result = layer(tensor)
        grid.indice_dict = result.indice_dict  # pairs are found once per grid
        return result.features
