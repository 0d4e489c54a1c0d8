"""A detector narrowed by rule: ``dict(type='CompressedDetector', detector=..., compression=4)``."""

from __future__ import annotations

import copy

from mmdet3d.registry import MODELS
from mmengine.config import ConfigDict
from torch import nn

from ...base import UsageError
from ..geometry import check_geometry
from ..head_classes import check_head
from ..inference import for_inference
from .rules import apply_rule
from .widths import ModuleWidths, divisor_of

PREFIXES = dict(
    VoxelNet='', DynamicVoxelNet='', PointRCNN='', CenterPoint='pts_', MVXFasterRCNN='pts_'
)
"""Detector -> what the names of its modules begin with."""

ORDER = ('voxel_encoder', 'middle_encoder', 'backbone', 'neck', 'rpn_head', 'roi_head', 'bbox_head')
"""Modules in the order of the data flow; heads pass on what enters them."""

NO_MODULES = ('type', '_scope_', 'data_preprocessor', 'train_cfg', 'test_cfg', 'init_cfg')

_ITS_OWN = {}  # the detector's train_cfg


def compressed(
    detector: dict, compression: float | None = None, divisor: float | None = None
) -> ConfigDict:
    """Narrow every layer of a detector.

    A width w becomes floor(w / s), inputs follow from what feeds them, depth, resolution and heads'
    outputs stay. s is 1.4, 2, 2.8 and 4 for compression 2, 4, 8 and 16 (PointDistiller's release)
    and the square root of any other.

    Args:
        detector: Model config of a ``VoxelNet``, ``DynamicVoxelNet``, ``CenterPoint``,
            ``MVXFasterRCNN`` (LiDAR only) or ``PointRCNN``; left as it is.
        compression: How many times fewer operations and parameters, about.
        divisor: s itself, overrides ``compression``.

    Returns:
        Config of the narrower detector, of the same classes.

    Raises:
        UsageError: If the detector or one of its modules is unknown, the ratio is not above 1, a
            width vanishes or does not fit its norm's groups, or the config contradicts itself.
    """
    divisor = divisor_of(compression, divisor)
    check_geometry(detector, 'detector')
    check_head(detector, 'detector')
    cfg = ConfigDict(copy.deepcopy(detector))
    module = ModuleWidths(cfg, 'detector', divisor)
    if module.type not in PREFIXES:
        raise UsageError(
            f'detector is a {module.type}, which compression does not know, expected one of '
            f'{", ".join(sorted(PREFIXES))}'
        )
    slots = [PREFIXES[module.type] + name for name in ORDER]
    for key, value in cfg.items():
        if value and key not in slots and key not in NO_MODULES:
            raise UsageError(
                f'detector has a {key}, which compression does not know, expected a '
                f'{module.type} of {", ".join(slots)}'
            )
    feed = []
    for slot in slots:
        if cfg.get(slot):
            feed = apply_rule(ModuleWidths(cfg[slot], slot, divisor), feed)
    return cfg


def build_compressed(
    detector: dict,
    compression: float | None = None,
    divisor: float | None = None,
    train_cfg: dict | None = _ITS_OWN,
) -> nn.Module:
    """Build the detector of :func:`compressed`: a plain one, so a plain config tests it.

    Registered as ``CompressedDetector``; takes the arguments of :func:`compressed`.

    Args:
        train_cfg: None, as mmdet3d's inference sets it in any config, for a detector that is never
            trained; by default the detector's own.
    """
    cfg = compressed(detector, compression, divisor)
    if train_cfg is not _ITS_OWN:
        cfg = for_inference(cfg, 'CompressedDetector', train_cfg)
    return MODELS.build(cfg)


MODELS.register_module(name='CompressedDetector', module=build_compressed)
