"""PTv3 as the original computes it: index work in every block, attention patch by patch.

The formulas and the parameters are those of our network, whose modules are called where both
compute alike (linear maps, norms, MLPs, drop path); everything between them is written plainly.
Random draws come in the same order, so that equal seeds give equal training steps.

Shape letters: N rows, C channels, H heads, O orders, W slots of a patch.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from projects.SRKD.backbones.ptv3 import PointTransformerV3
from projects.SRKD.backbones.ptv3.attention import SerializedAttention
from projects.SRKD.backbones.ptv3.block import Block, Stage
from projects.SRKD.backbones.ptv3.serialization import grid_depth, serialize
from projects.SRKD.ops.sparse_conv import SubMConv3d


class Cloud(NamedTuple):
    """Rows of a stage: coordinates ``(N, 4)``, codes ``(O, N)``, their bits per axis."""

    coors: Tensor
    codes: Tensor
    depth: int


def plain_forward(network: PointTransformerV3, feat: Tensor, coors: Tensor) -> Tensor:
    """What ``network(feat, coors)`` gives."""
    depth = grid_depth(coors, network.depth)
    cloud = Cloud(coors, torch.stack([serialize(coors, depth, o) for o in network.order]), depth)
    if network.shuffle_orders and network.training:
        cloud = cloud._replace(codes=cloud.codes[torch.randperm(len(cloud.codes))])
    stem = network.embedding.stem
    x = network.embedding.act(stem['norm'](_convolve(stem['conv'], feat, cloud.coors)))
    skips: list[tuple[Tensor, Cloud, Tensor | None]] = []
    for stage in network.enc.values():
        parent = None
        if stage.resample is not None:
            x, cloud, parent = _pool(stage.down, x, cloud)
        x = _blocks(stage, x, cloud)
        skips.append((x, cloud, parent))
    *skips, (x, _, parent) = skips
    for stage in network.dec.values():
        skip, cloud, finer = skips.pop()
        own = stage.up.proj_skip(skip)
        x = _blocks(stage, own + stage.up.proj(x)[parent], cloud, source=own)
        parent = finer
    return x


def _blocks(stage: Stage, x: Tensor, cloud: Cloud, source: Tensor | None = None) -> Tensor:
    for number in range(stage.depth):
        block: Block = getattr(stage, f'block{number}')
        convolution, linear, norm = block.cpe
        position = _convolve(convolution, x if source is None else source, cloud.coors)
        x, source = x + norm(linear(position)), None
        x = x + block.drop_path(_attend(block.attn, block.norm1(x), cloud))
        x = x + block.drop_path(block.mlp(block.norm2(x)))
    return x


def _convolve(conv: SubMConv3d, x: Tensor, coors: Tensor) -> Tensor:
    """Submanifold convolution: find each offset's neighbors, gather, multiply, scatter."""
    reach = conv.kernel_size // 2
    span = coors.amax(0) + 1 + 2 * reach
    shifted = coors + coors.new_tensor([0, reach, reach, reach])

    def key(voxels: Tensor) -> Tensor:
        b, i, j, k = voxels.unbind(1)
        return ((b * span[1] + i) * span[2] + j) * span[3] + k

    known, order = key(shifted).sort()
    out = x.new_zeros(len(x), conv.out_channels)
    for offset in product(range(-reach, reach + 1), repeat=3):
        wanted = key(shifted + shifted.new_tensor([0, *offset]))
        place = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
        to = (known[place] == wanted).nonzero().squeeze(1)
        weight = conv.weight[(slice(None), *(step + reach for step in offset))]  # (C_out, C_in)
        out = out.index_add(0, to, x[order[place[to]]] @ weight.T)
    return out if conv.bias is None else out + conv.bias


def _attend(attn: SerializedAttention, x: Tensor, cloud: Cloud) -> Tensor:
    """Sort, pad cloud by cloud, attend patch by patch, take the padding off, sort back."""
    order = cloud.codes[attn.order_index % len(cloud.codes)].argsort()
    slots, own, widths = _pad(torch.bincount(cloud.coors[:, 0]).tolist(), attn.patch_size)
    slots, own = slots.to(order.device), own.to(order.device)
    qkv = attn.qkv(x)[order[slots]]
    scale = attn.scale or (attn.channels // attn.num_heads) ** -0.5
    parts = []
    for patch in qkv.split(widths):
        q, k, v = patch.view(len(patch), 3, attn.num_heads, -1).permute(1, 2, 0, 3)  # (H, W, D)
        weight = (q * scale @ k.mT).softmax(-1)
        parts.append((weight @ v).transpose(0, 1).reshape(len(patch), -1))
    back = torch.empty_like(order)
    back[order[slots[own]]] = own.nonzero().squeeze(1)
    return attn.proj_drop(attn.proj(torch.cat(parts)[back]))


def _pad(sizes: list[int], patch_size: int) -> tuple[Tensor, Tensor, list[int]]:
    """Sorted position in every slot, whether the slot is that row's own, patch widths."""
    slots, own, widths, begin = [], [], [], 0
    for size in sizes:
        for start in range(0, size, patch_size):
            first = max(0, min(start, size - patch_size))
            place = torch.arange(first, min(first + patch_size, size))
            slots.append(begin + place)
            own.append(place >= start)
            widths.append(len(place))
        begin += size
    return torch.cat(slots), torch.cat(own), widths


def _pool(down: torch.nn.Module, x: Tensor, cloud: Cloud) -> tuple[Tensor, Cloud, Tensor]:
    """Maximum over larger cells, their cloud, and the cell of every row."""
    shift = min(down.halvings, cloud.depth)
    cells, parent = torch.unique(cloud.codes[0] >> 3 * shift, return_inverse=True)
    first = torch.full_like(cells, len(parent)).scatter_reduce(
        0, parent, torch.arange(len(parent), device=x.device), 'amin')  # fmt: skip
    projected = down.proj(x)
    pooled = projected.new_full((len(cells), projected.shape[1]), float('-inf')).scatter_reduce(
        0, parent[:, None].expand_as(projected), projected, 'amax')  # fmt: skip
    coors = torch.cat([cloud.coors[first, :1], cloud.coors[first, 1:] >> down.halvings], 1)
    codes = cloud.codes[:, first] >> 3 * shift
    if down.shuffle_orders and down.training:
        codes = codes[torch.randperm(len(codes))]
    return down.act(down.norm(pooled)), Cloud(coors, codes, cloud.depth - shift), parent
