"""What compression does to each type of module: its own widths, and its inputs from what feeds it.

A rule takes the module's config and the widths that enter, edits the config, and returns the widths
that leave, one per feature map. Numbers that are not widths (classes, strides, box codes, channels
of the points) are left alone. Source: the configs of PointDistiller's release.
"""

from __future__ import annotations

from collections.abc import Callable

from ...base import UsageError
from .widths import ModuleWidths, Width

Rule = Callable[[ModuleWidths, list[Width]], list[Width]]
RULES: dict[str, Rule] = {}


def apply_rule(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    """Narrow a module by the rule of its type.

    Raises:
        UsageError: If there is none.
    """
    if module.type not in RULES:
        raise UsageError(
            f'{module.where} is a {module.type}, which compression has no rule for, expected one '
            f'of {", ".join(sorted(RULES))}'
        )
    return RULES[module.type](module, feed)


def _rule(*types: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(types, function))
        return function

    return register


def _joined(widths: list[Width]) -> Width:
    """Width of a concatenation."""
    return Width(*map(sum, zip(*widths)))


# --- voxels ---------------------------------------------------------------------------------------


@_rule('HardSimpleVFE')
def _mean_of_points(module: ModuleWidths, _: list[Width]) -> list[Width]:
    features = module['num_features']  # of the points
    return [Width(features, features)]


@_rule('HardVFE', 'DynamicPillarFeatureNet')
def _voxel_layers(module: ModuleWidths, _: list[Width]) -> list[Width]:
    return module.narrow('feat_channels')[-1:]


@_rule('PillarFeatureNet')
def _pillar_layers(module: ModuleWidths, _: list[Width]) -> list[Width]:
    *inner, last = module.narrow('feat_channels')
    # an inner layer joins every point's features with their maximum: two halves
    even = [max(2, width.student // 2 * 2) for width in inner]
    module.cfg['feat_channels'] = [*even, last.student]
    return [last]


@_rule('PointPillarsScatter')
def _scatter(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.follow('in_channels', feed)
    return feed


@_rule('SparseEncoder')
def _sparse_encoder(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.follow('in_channels', feed)
    module.narrow('base_channels')
    module.narrow('encoder_channels')
    return [module.narrow('output_channels')]


# --- bird's eye view ------------------------------------------------------------------------------


@_rule('SECOND')
def _second(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.follow('in_channels', feed, stacked=True)  # a sparse encoder's levels of height
    return module.narrow('out_channels')


@_rule('SECONDFPN')
def _second_fpn(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.follow('in_channels', feed)
    return [_joined(module.narrow('out_channels'))]


@_rule('FPN')
def _fpn(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.follow('in_channels', feed)
    return [module.narrow('out_channels')] * module['num_outs']


@_rule('Anchor3DHead')
def _anchor_head(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.follow('in_channels', feed[:1])
    module.follow('feat_channels', feed[:1])  # what its convolutions take: there is none in between
    return feed


@_rule('CenterHead')
def _center_head(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.follow('in_channels', feed[:1])
    apply_rule(module.child('separate_head'), [module.narrow('share_conv_channel')])
    return feed


@_rule('SeparateHead')
def _separate_head(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.narrow('head_conv')  # CenterHead sets the input itself
    return feed


# --- points ---------------------------------------------------------------------------------------


@_rule('PointNet2SAMSG')
def _set_abstraction(module: ModuleWidths, _: list[Width]) -> list[Width]:
    own = module['in_channels'] - 3  # of a point, without its position
    leaving = [_joined([scale[-1] for scale in scales]) for scales in module.narrow('sa_channels')]
    for i, width in enumerate(module.narrow('aggregation_channels') or ()):
        leaving[i] = width or leaving[i]
    return [Width(own, own)] + [leaving[i] for i in module['out_indices']]


@_rule('PointNetFPNeck')
def _feature_propagation(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    said = [mlp[0] for mlp in module['fp_channels']]
    mlps = module.narrow('fp_channels')
    # Each layer takes what the layer before gave and, beside it, the level above.
    entering = feed[-1]
    inputs = []
    for mlp, skip in zip(mlps, feed[-2::-1]):
        inputs.append(_joined([entering, skip]))
        entering = mlp[-1]
    module.check('fp_channels', said, inputs)
    module.cfg['fp_channels'] = tuple(
        (width.student, *(each.student for each in mlp[1:])) for width, mlp in zip(inputs, mlps)
    )
    return [entering]


@_rule('PointRPNHead')
def _rpn_head(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    layers = module.child('pred_layer_cfg')
    layers.follow('in_channels', feed)
    layers.narrow('cls_linear_channels')
    layers.narrow('reg_linear_channels')
    return feed


@_rule('PointRCNNRoIHead')
def _roi_head(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    return apply_rule(module.child('bbox_head'), feed)


@_rule('PointRCNNBboxHead')
def _roi_box_head(module: ModuleWidths, feed: list[Width]) -> list[Width]:
    module.narrow('mlp_channels')  # its last width is that of a point's features, which it joins
    layers = module.child('pred_layer_cfg')
    layers.follow('in_channels', module.narrow('sa_channels')[-1][-1:])
    layers.narrow('cls_conv_channels')
    layers.narrow('reg_conv_channels')
    return feed
