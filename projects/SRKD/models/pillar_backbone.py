"""PointPillars as the backbone of a voxel segmentor.

Shape letters: N rows of the batch, B samples, P occupied pillars, C_in row features, C channels.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from mmdet3d.models.middle_encoders import PointPillarsScatter
from mmdet3d.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..base import UsageError
from .pillar_features import PillarEncoder, PillarGrid
from .pillar_readout import PillarReadout


@MODELS.register_module()
class PointPillarsSegBackbone(BaseModule):
    """Pillar features, scatter, a 2D network on the map, and a read-out for every row.

    It stands where ``MinkUNetBackbone`` stands in mmdet3d's ``MinkUNet`` segmentor. Its points are
    the rows that the data preprocessor keeps, placed by their own x, y, z and not by their voxel,
    whose grid starts elsewhere in every cloud. A row beside the map adds nothing to it and reads
    zeros from it (see :func:`read_map` for the half cell between): its own features, encoded in a
    pillar of the grid continued, are all that classifies it.

    Args:
        in_channels: C_in; the first three are x, y, z in meters.
        bev_range: x_min, y_min, x_max, y_max of the map, meters; pillars have no limits in z.
        pillar_size: Edge of a pillar, meters.
        pillar_channels: Channels of a pillar.
        second: Config of the 2D backbone (``SECOND``), without ``in_channels``; it must name its
            ``out_channels`` and ``layer_strides``.
        neck: Config of the neck that joins its stages (``SECONDFPN``), without ``in_channels``; it
            must name its ``out_channels`` and ``upsample_strides``.
        out_channels: C.

    Raises:
        UsageError: If there is no room for x, y, z, the range is no whole number of pillars, a
            named part is missing, or the strides do not fit the map or each other.
    """

    def __init__(
        self,
        second: Mapping,
        neck: Mapping,
        in_channels: int = 4,
        bev_range: Sequence[float] = (-51.2, -51.2, 51.2, 51.2),
        pillar_size: float = 0.2,
        pillar_channels: int = 64,
        out_channels: int = 128,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if in_channels < 3:
            raise UsageError(
                f'in_channels of {type(self).__name__} must be at least 3 (x, y, z in meters come '
                f'first), but got {in_channels}'
            )
        self.in_channels, self.out_channels = in_channels, out_channels
        self.grid = PillarGrid(bev_range, pillar_size)
        _check_named('second', second, 'layer_strides')
        _check_named('neck', neck, 'upsample_strides')
        _check_strides(self.grid.size, second['layer_strides'], neck['upsample_strides'])
        self.encoder = PillarEncoder(in_channels, pillar_channels)
        self.scatter = PointPillarsScatter(pillar_channels, self.grid.size[::-1])
        self.second = MODELS.build(dict(second, in_channels=pillar_channels))
        self.neck = MODELS.build(dict(neck, in_channels=list(second['out_channels'])))
        self.readout = PillarReadout(sum(neck['out_channels']), pillar_channels, out_channels)

    def forward(self, feat: Tensor, coors: Tensor) -> Tensor:
        """Compute features of rows.

        Args:
            feat: ``(N, C_in)``.
            coors: ``(N, 4)`` batch, x, y, z; only the batch is read.

        Returns:
            ``(N, C)`` in the row order of the input.

        Raises:
            UsageError: If shapes are wrong.
        """
        if feat.shape != (len(coors), self.in_channels) or coors.shape[1:] != (4,):
            raise UsageError(
                f'features must be (N, {self.in_channels}) and voxels (N, 4), '
                f'but got {tuple(feat.shape)} and {tuple(coors.shape)}'
            )
        batch = coors[:, 0].long()
        pillars = self.grid.pillars(feat[:, :3], batch)
        rows, pillar_feat = self.encoder(feat, pillars)  # (N, .), (P, .)
        kept = self.grid.on_map(pillars.cells)
        sample, x, y = pillars.cells[kept].unbind(1)
        place = torch.stack([sample, torch.zeros_like(x), y, x], 1)  # batch, z, y, x
        canvas = self.scatter(pillar_feat[kept], place, int(batch.max()) + 1)
        (bev,) = self.neck(self.second(canvas))
        return self.readout(bev, rows, self.grid.normalized(feat), batch)


def _check_named(name: str, config: Mapping, strides: str) -> None:
    missing = [key for key in ('type', 'out_channels', strides) if key not in config]
    if missing:
        raise UsageError(
            f'{name} of PointPillarsSegBackbone names no {missing[0]}, expected type, out_channels '
            f'and {strides}: the default of its class need not fit the map'
        )


def _check_strides(size: Sequence[int], down: Sequence[int], up: Sequence[float]) -> None:
    total = math.prod(down)
    if any(pillars % total for pillars in size):
        nearest = ' x '.join(str(max(1, round(pillars / total)) * total) for pillars in size)
        raise UsageError(
            f'a map of {size[0]} x {size[1]} pillars is not divisible by {total}, the product of '
            f'layer_strides {tuple(down)}: the nearest is {nearest}'
        )
    steps = [math.prod(down[: i + 1]) for i in range(len(down))]
    fitting = tuple(step // steps[0] * up[0] for step in steps)
    if tuple(up) != fitting:
        raise UsageError(
            f'upsample_strides {tuple(up)} of the neck do not bring stages of layer_strides '
            f'{tuple(down)} to one resolution: starting with {up[0]}, expected {fitting}'
        )
