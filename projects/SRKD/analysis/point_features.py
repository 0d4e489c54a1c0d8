"""What a layer of a segmentor says about every raw point.

Shape letters: P raw points of a scan, N voxels, S rows at a tap, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ..distill.matching import VoxelView
from ..distill.taps import Taps


@torch.no_grad()
def look_through(
    network: nn.Module, batch: dict[str, Any], paths: Iterable[str], role: str = 'network'
) -> tuple[Any, dict[str, Tensor]]:
    """Run a segmentor once: its data sample, and what its layers say about each raw point.

    Two networks that voxelize differently are so compared on the same points.

    Args:
        network: Segmentor in eval mode.
        batch: One scan, raw, as the loaders give it.
        paths: Module paths, see :class:`projects.SRKD.distill.taps.Taps`.
        role: Named in messages.

    Returns:
        The sample, and by path ``(P, C)``; rows of NaN where a point has no voxel, or a stage
        dropped its voxel.
    """
    data = network.data_preprocessor(batch, False)
    with Taps(network, paths, role) as seen:
        (sample,) = network(data['inputs'], data['data_samples'], mode='predict')
    view = VoxelView(data['inputs'], data['data_samples'])
    found = {}
    for path, features in seen.items():
        rows = view.rows_at(features)  # (N,)
        row = torch.where(view.point_row >= 0, rows[view.point_row.clamp(min=0)], -1)  # (P,)
        value = features.feat[row.clamp(min=0)].float()
        found[path] = torch.where((row >= 0)[:, None], value, torch.nan)
    return sample, found


def point_features(
    network: nn.Module, batch: dict[str, Any], paths: Iterable[str], role: str = 'network'
) -> dict[str, Tensor]:
    """The second part of :func:`look_through`."""
    return look_through(network, batch, paths, role)[1]
