"""How kept channels flow through voxel segmentors: PTv3, MinkUNet and their heads.

Shape letters: C_t channels of the teacher, C_s of the student; H heads of D channels each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...backbones.ptv3.attention import SerializedAttention
from ...backbones.ptv3.block import Block, Stage
from ...base import UsageError
from .inheritance import Inheritance, Kept, Rule, everything, joined


def _ptv3(copier: Inheritance, backbone: nn.Module, _: list[Kept]) -> list[Kept]:
    stem = backbone.embedding.stem
    first, *others = backbone.enc.values()
    kept = _stream(copier, [stem['conv']], first)
    copier.norm(stem['norm'], copier.layer(stem['conv'], everything(backbone.in_channels), kept))
    _blocks(copier, first, kept)
    skips = [kept]
    for stage in others:
        leaving = _stream(copier, [stage.down.proj], stage)
        kept = copier.norm(stage.down.norm[0], copier.layer(stage.down.proj, kept, leaving))
        _blocks(copier, stage, kept)
        skips.append(kept)
    for stage, skip in zip(backbone.dec.values(), skips[-2::-1]):
        leaving = _stream(copier, [stage.up.proj[0], stage.up.proj_skip[0]], stage)  # are added
        copier.chain(stage.up.proj, kept, leaving)
        kept = copier.chain(stage.up.proj_skip, skip, leaving)
        _blocks(copier, stage, kept)
    return [kept]


def _stream(copier: Inheritance, sources: Sequence[nn.Module], stage: Stage) -> Kept:
    """Channels of a stage's residual stream, to which every branch of its blocks adds."""
    added = [layer for block in _blocks_of(stage)
             for layer in (block.cpe[1], block.attn.proj, block.mlp[0].fc2)]  # fmt: skip
    return copier.choose([*sources, *added])


def _blocks_of(stage: Stage) -> list[Block]:
    return [getattr(stage, f'block{i}') for i in range(stage.depth)]


def _blocks(copier: Inheritance, stage: Stage, kept: Kept) -> None:
    for block in _blocks_of(stage):
        convolution, linear, norm = block.cpe
        copier.norm(norm, copier.layer(linear, copier.layer(convolution, kept), kept))
        copier.norm(block.norm1[0], kept)
        inner = _within_heads(copier, block.attn)
        copier.layer(block.attn.qkv, kept, joined([inner] * 3))
        copier.layer(block.attn.proj, inner, kept)
        copier.norm(block.norm2[0], kept)
        mlp = block.mlp[0]
        copier.layer(mlp.fc2, copier.layer(mlp.fc1, kept), kept)


def _within_heads(copier: Inheritance, attention: SerializedAttention) -> Kept:
    """Channels kept of the queries, and so of keys, values and results."""
    rows = copier.weight(attention.qkv).unflatten(0, (3, -1))  # (3, C_t, C)
    norms = rows.abs().sum(dim=(0, 2))
    name = copier.names[attention]
    theirs = copier.heads.get(name, attention.num_heads)
    index = head_channels(copier, attention, norms, theirs)
    return Kept(index, len(norms))


def head_channels(
    copier: Inheritance, attention: SerializedAttention, norms: Tensor, heads: int
) -> Tensor:
    """Choose heads, then channels within each; all channels at once where heads do not divide.

    Args:
        copier: Chooses.
        attention: The student's, of H_s heads and C_s channels.
        norms: Of the teacher's channels, (C_t,).
        heads: H_t.

    Returns:
        (C_s,) int64, numbers of the teacher's channels.
    """
    ours, count = attention.num_heads, attention.channels
    if len(norms) % heads or heads % ours or (len(norms) // heads) % (count // ours):
        return copier.pick(attention.qkv, norms, count)
    by_head = norms.view(heads, -1)  # (H_t, D_t)
    chosen = copier.pick(attention.qkv, by_head.sum(dim=1), ours).tolist()
    starts = [head * by_head.shape[1] for head in chosen]
    within = [copier.pick(attention.qkv, by_head[head], count // ours) for head in chosen]
    return torch.cat([start + index for start, index in zip(starts, within)])


def _minkunet(copier: Inheritance, backbone: nn.Module, _: list[Kept]) -> list[Kept]:
    if backbone.sparseconv_backend != 'spconv':
        raise UsageError(
            "sparseconv_backend of a MinkUNetBackbone that inherits must be 'spconv', but got "
            f'{backbone.sparseconv_backend!r}'
        )
    kept = copier.chain(backbone.conv_input, everything(backbone.conv_input[0][0].in_channels))
    skips = [kept]
    for layers in backbone.encoder:
        kept = copier.chain(layers, kept)
        skips.append(kept)
    for (up, blocks), skip in zip(backbone.decoder, skips[-2::-1]):
        kept = copier.chain(blocks, joined([copier.chain(up, kept), skip]))
    return [kept]


def _seg_head(copier: Inheritance, head: nn.Module, feed: list[Kept]) -> list[Kept]:
    copier.output(head.conv_seg, feed[0])
    return feed


SEGMENTOR_RULES: dict[str, Rule] = dict(
    PointTransformerV3=_ptv3,
    MinkUNetBackbone=_minkunet,
    MinkUNetHead=_seg_head,
    VoxelSegHead=_seg_head,
)
