"""How kept channels flow through each type of module; the counterpart of ``rules``.

A rule takes the student's module and the channels kept of what enters, copies the weights, and
returns the channels kept of what leaves, one entry per feature map.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...base import UsageError
from .detector import ORDER, PREFIXES
from .inheritance import Inheritance, Kept, Order, Rule, everything, joined, stacked
from .segmentor_rules import SEGMENTOR_RULES

SLOTS = {name: [prefix + slot for slot in ORDER] for name, prefix in PREFIXES.items()} | dict(
    MinkUNet=['backbone', 'decode_head']
)
"""Network -> its modules in the order of the data flow."""


@torch.no_grad()
def inherit(
    student: nn.Module,
    weights: Mapping[str, Tensor],
    keep: str = 'norm',
    order: Order | None = None,
) -> list[str]:
    """Start a narrower network from its teacher's strongest filters.

    Only hidden widths are chosen by norm. Layers of predictions are copied row by row, and stay as
    initialized where the teacher predicts something else.

    Source: teacher-guided initialization of SparseKD (Yang et al., NeurIPS 2022), there found best
    by L1 norm or by leading channels. With the teacher's own widths the copy is the teacher.

    Args:
        student: A detector that :func:`compressed` narrows, or a voxel segmentor; changed in place.
        weights: State dict of the teacher.
        keep: ``'norm'``: filters of the largest L1 norm; ``'first'``: the leading ones; ``'even'``:
            every n-th.
        order: Rows of a layer of predictions, for a teacher of another order of classes; None: the
            student's own order.

    Returns:
        Layers of predictions that were left as initialized.

    Raises:
        UsageError: If the networks do not have the same layers, a layer is wider than the
            teacher's, or no rule tells how a module's channels flow.
    """
    modules_of(student, 'student')
    return copy_all(Inheritance(student, weights, keep, order), student)


def modules_of(network: nn.Module, role: str) -> dict[str, nn.Module]:
    """Modules of a network by name, in the order of the data flow.

    Args:
        network: A detector or voxel segmentor.
        role: What it is called in messages, ``student`` or ``teacher``.

    Raises:
        UsageError: If the network, or one of its modules, has no rule.
    """
    name = type(network).__name__
    if name not in SLOTS:
        raise UsageError(
            f'{role} is a {name}, expected one of {", ".join(sorted(SLOTS))} to inherit'
        )
    found = {slot: getattr(network, slot, None) for slot in SLOTS[name]}
    found = {slot: module for slot, module in found.items() if module is not None}
    for slot, module in found.items():
        if type(module).__name__ not in RULES:
            raise UsageError(
                f'{slot} of the {role} is a {type(module).__name__}, whose channels are not '
                f'followed, expected one of {", ".join(sorted(RULES))}'
            )
    return found


def copy_all(copier: Inheritance, student: nn.Module) -> list[str]:
    """Follow the channels through a student's modules; returns the layers that were left."""
    feed = []
    for module in modules_of(student, 'student').values():
        feed = RULES[type(module).__name__](copier, module, feed)
    copier.finish()
    return copier.left


def _points(copier: Inheritance, module: nn.Module, _: list[Kept]) -> list[Kept]:
    return [everything(module.num_features)]


def _pillar_layers(copier: Inheritance, module: nn.Module, _: list[Kept]) -> list[Kept]:
    layers = getattr(module, 'pfn_layers', None) or module.vfe_layers
    # PFNLayer and VFELayer, or of dynamic voxels a sequence that also ends in an activation
    pairs = [layer[:2] if isinstance(layer, nn.Sequential) else (layer.linear, layer.norm)
             for layer in layers]  # fmt: skip
    entering = everything(pairs[0][0].in_features)
    for i, (linear, norm) in enumerate(pairs):
        kept = copier.norm(norm, copier.layer(linear, entering))
        # all but the last join every point's features with their maximum
        entering = joined([kept, kept]) if i < len(layers) - 1 else kept
    return [entering]


def _pass(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    return feed


def _sparse_encoder(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    kept = copier.chain(module.conv_input, feed[0])
    kept = copier.chain(module.encoder_layers, kept)
    return [copier.chain(module.conv_out, kept)]


def _second(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    entering = stacked(feed[0], module.blocks[0][0].in_channels // len(feed[0].index))
    leaving = []
    for block in module.blocks:
        entering = copier.chain(block, entering)
        leaving.append(entering)
    return leaving


def _second_fpn(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    return [joined([copier.chain(block, kept) for block, kept in zip(module.deblocks, feed)])]


def _fpn(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    lateral = copier.choose([each.conv for each in module.lateral_convs])  # levels are added
    leaving = copier.choose([each.conv for each in module.fpn_convs])  # and share a head
    for layer, kept in zip(module.lateral_convs, feed):
        copier.chain(layer, kept, lateral)
    for layer in module.fpn_convs:
        copier.chain(layer, lateral, leaving)
    return [leaving] * module.num_outs


def _anchor_head(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    for layer in module.children():
        if isinstance(layer, nn.Conv2d):
            copier.output(layer, feed[0])
    return feed


def _center_head(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    shared = copier.chain(module.shared_conv, feed[0])
    for task in module.task_heads:
        for layers in task.children():
            copier.branch(layers, shared)
    return feed


def _set_abstraction(copier: Inheritance, module: nn.Module, _: list[Kept]) -> list[Kept]:
    entering = everything(_first_conv(module.SA_modules[0]).in_channels - 3)  # beside positions
    leaving = [entering]
    for i, (layer, narrow) in enumerate(zip(module.SA_modules, module.aggregation_mlps)):
        entering = _grouped(copier, layer, entering)
        if narrow is not None:
            entering = copier.chain(narrow, entering)
        if i in module.out_indices:
            leaving.append(entering)
    return leaving


def _grouped(copier: Inheritance, layer: nn.Module, entering: Kept) -> Kept:
    """One set abstraction: every scale sees the relative position, then the features."""
    positions = _first_conv(layer).in_channels - len(entering.index)
    entering = joined([everything(positions), entering])
    return joined([copier.chain(mlp, entering) for mlp in layer.mlps])


def _first_conv(layer: nn.Module) -> nn.Conv2d:
    return layer.mlps[0][0].conv


def _feature_propagation(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    entering = feed[-1]
    for layer, skip in zip(module.FP_modules, feed[-2::-1]):
        entering = copier.chain(layer.mlps, joined([entering, skip]))
    return [entering]


def _rpn_head(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    copier.branch(module.cls_layers, feed[0])
    copier.branch(module.reg_layers, feed[0])
    return feed


def _roi_head(copier: Inheritance, module: nn.Module, feed: list[Kept]) -> list[Kept]:
    head = module.bbox_head
    own = copier.chain(head.xyz_up_layer, everything(head.in_channels))
    kept = copier.chain(head.merge_down_layer, joined([own, feed[0]]))
    for layer in head.SA_modules:
        kept = _grouped(copier, layer, kept)
    copier.output(head.conv_cls, copier.chain(head.cls_convs, kept))
    copier.output(head.conv_reg, copier.chain(head.reg_convs, kept))
    return feed


RULES: dict[str, Rule] = dict(
    HardSimpleVFE=_points,
    HardVFE=_pillar_layers,
    PillarFeatureNet=_pillar_layers,
    DynamicPillarFeatureNet=_pillar_layers,
    PointPillarsScatter=_pass,
    SparseEncoder=_sparse_encoder,
    SECOND=_second,
    SECONDFPN=_second_fpn,
    FPN=_fpn,
    Anchor3DHead=_anchor_head,
    CenterHead=_center_head,
    PointNet2SAMSG=_set_abstraction,
    PointNetFPNeck=_feature_propagation,
    PointRPNHead=_rpn_head,
    PointRCNNRoIHead=_roi_head,
    **SEGMENTOR_RULES,
)
