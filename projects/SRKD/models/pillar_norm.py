"""Batch normalization of pillars, by rows.

Shape letters: N pillars, C channels, L points of a pillar.
"""

from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ..base import renamed


@MODELS.register_module()
class PillarBatchNorm1d(nn.BatchNorm1d):
    """``BatchNorm1d`` that takes (N, C, L) as N L rows of C.

    The same numbers, parameters and keys; where L is small, torch's CPU kernels take several times
    as long for the three axes. For pillar encoders:
    ``norm_cfg=dict(type='PillarBatchNorm1d', eps=1e-3, momentum=0.01)``.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C) or (N, C, L) over all axes but C."""
        if input.dim() == 2:
            return super().forward(input)
        rows = super().forward(input.transpose(1, 2).flatten(0, 1))
        # not len(), which an exporter would take for a constant
        return rows.unflatten(0, (input.shape[0], -1)).transpose(1, 2)


RowBatchNorm1d = MODELS.register_module(module=renamed('RowBatchNorm1d', PillarBatchNorm1d))
