"""What a tap holds: the features of one module's output, whatever carries them.

Shape letters: N rows, C channels, B samples, H x W cells of a bird's eye view.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..base import UsageTypeError


@dataclass(frozen=True)
class Features:
    """Features of rows, as one network produced them.

    Attributes:
        feat: ``(N, C)`` values.
        coors: ``(N, 4)`` integer batch, x, y, z (detectors: z, y, x) of the rows on the grid
            ``finest >> stage``; None when the rows are the network's input voxels in their own
            order, or dense.
        stage: How many times the grid was halved; None where the carrier tells it only by
            ``spatial_shape``, the extent of its grid.
        dense: ``(B, H, W)`` of a map or ``(B, n)`` of equally large clouds, whose elements are the
            rows in this order; None for sparse rows.
    """

    feat: Tensor
    coors: Tensor | None = None
    stage: int | None = 0
    spatial_shape: tuple[int, ...] | None = None
    dense: tuple[int, ...] | None = None

    def select(self, channels: Tensor) -> 'Features':
        """The same rows with channels ``(C',)`` in another order."""
        return replace(self, feat=self.feat[:, channels.to(self.feat.device)])


def read_features(output: object) -> Features:
    """Copy the features out of a module's output.

    A copy, because blocks may overwrite their features in place (in-place ReLU, PTv3-like
    containers) after the hook that called this has returned.

    Args:
        output: A tensor ``(N, C)``, a map ``(B, C, H, W)`` or the features of clouds
            ``(B, C, n)``; a list of one such tensor (mmdet3d's necks); a carrier with ``feat``,
            ``coors`` and ``stage`` (our PTv3's ``PointCloud``); or a carrier with ``features``,
            ``indices`` and ``spatial_shape`` (spconv's ``SparseConvTensor``).

    Raises:
        UsageTypeError: If the output carries no features that can be read.
    """
    if isinstance(output, (list, tuple)) and len(output) == 1:
        output = output[0]
    if isinstance(output, Tensor):
        if output.dim() == 2:
            return Features(output.clone())
        if output.dim() in (3, 4):
            rows = output.movedim(1, -1)  # (B, H, W, C)
            feat = rows.clone(memory_format=torch.contiguous_format).flatten(0, -2)
            return Features(feat, dense=tuple(rows.shape[:-1]))
        got = f'a tensor of shape {tuple(output.shape)}'
    elif all(hasattr(output, name) for name in ('feat', 'coors', 'stage')):
        return Features(output.feat.clone(), output.coors, output.stage)
    elif all(hasattr(output, name) for name in ('features', 'indices', 'spatial_shape')):
        shape = tuple(int(size) for size in output.spatial_shape)
        return Features(output.features.clone(), output.indices, None, shape)
    else:
        got = type(output).__name__
    raise UsageTypeError(
        'a tap must see features of rows: a tensor (N, C), a map (B, C, H, W), a PointCloud or a '
        f'SparseConvTensor, but got {got}: tap a module whose output is one of these'
    )


def output_width(module: nn.Module) -> int | None:
    """Channels of a module's output where its parts tell them, else None.

    Reads ``out_channels`` or ``out_features``, the last module of a Sequential, and of mmdet3d's
    own modules the part that comes last.

    Example:
        >>> output_width(nn.Sequential(nn.Linear(3, 8), nn.Linear(8, 5)))
        5
        >>> output_width(nn.ReLU()) is None
        True
    """
    for name in ('out_channels', 'out_features'):
        width = getattr(module, name, None)
        if isinstance(width, int):
            return width
    if isinstance(module, nn.Sequential) and len(module) > 0:
        # Norms and activations keep the width of what precedes them.
        return next((w for w in map(output_width, reversed(module)) if w is not None), None)
    kind = type(module).__name__
    if kind == 'SECONDFPN':  # concatenates its levels
        return sum(module.out_channels)
    last = _LAST.get(kind)
    return None if last is None else output_width(last(module))


_LAST: dict[str, Callable[[nn.Module], nn.Module]] = {
    'SparseBasicBlock': lambda module: module.conv2,
    'SparseBottleneck': lambda module: module.conv3,
    'MinkUNetBackbone': lambda module: module.decoder[-1][-1],
    'PillarFeatureNet': lambda module: module.pfn_layers[-1].linear,
    'PointFPModule': lambda module: module.mlps,
}
