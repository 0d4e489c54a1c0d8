"""Tensor operations that several parts share; torch only."""

from ..base import renamed
from .boxes import rows_at_centers, rows_in_boxes_bev
from .gather import gather_rows, rank_share, world_size
from .gelu import GELU
from .gradients import gradient_dot, gradient_norm, gradients
from .grid import occupied_cells
from .heatmap import gaussian_heatmap
from .lookup import find_rows
from .neighbors import knn
from .pooling import RowBatchNorm, points_per_voxel, pool_max
from .ragged import (
    Groups,
    batch_to_list,
    draw_rows,
    group_rows,
    padded_blocks,
)
from .similarity import l2_normalize, segment_mean, unit_spread

rows_at_centres = renamed('rows_at_centres', rows_at_centers)

__all__ = [
    'GELU',
    'Groups',
    'RowBatchNorm',
    'batch_to_list',
    'draw_rows',
    'find_rows',
    'gather_rows',
    'gaussian_heatmap',
    'gradient_dot',
    'gradient_norm',
    'gradients',
    'group_rows',
    'knn',
    'l2_normalize',
    'occupied_cells',
    'padded_blocks',
    'points_per_voxel',
    'pool_max',
    'rank_share',
    'rows_at_centers',
    'rows_at_centres',
    'rows_in_boxes_bev',
    'segment_mean',
    'unit_spread',
    'world_size',
]
