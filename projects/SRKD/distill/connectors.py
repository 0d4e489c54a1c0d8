"""Connectors: learned maps from the student's width to the teacher's, dropped after training."""

from mmdet3d.registry import MODELS
from torch import nn

from ..ops.gelu import GELU


@MODELS.register_module()
class LinearConnector(nn.Linear):
    """A linear map of every row, ``(M, in_channels) -> (M, out_channels)``.

    SRKD's parameter count implies four of these, one per decoder stage: 32 -> 64, 32 -> 64,
    64 -> 128, 128 -> 256, 45,568 parameters together.

    Args:
        in_channels: Width of the student's tap.
        out_channels: Width of the teacher's tap.
        bias: Whether it has one. In front of a softmax over points a bias gets no gradient.
    """

    def __init__(self, in_channels: int, out_channels: int, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, bias)


@MODELS.register_module()
class MLPConnector(nn.Sequential):
    """Linear, LayerNorm, GELU, linear: for students far from their teacher.

    LayerNorm, not BatchNorm: rows of several grids and of tiny batches pass through.

    Args:
        in_channels: Width of the student's tap.
        out_channels: Width of the teacher's tap.
        hidden_channels: Width between; None takes ``out_channels``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, hidden_channels: int | None = None
    ) -> None:
        hidden = hidden_channels or out_channels
        super().__init__(
            nn.Linear(in_channels, hidden),
            nn.LayerNorm(hidden),
            GELU(),
            nn.Linear(hidden, out_channels),
        )
        self.in_features, self.out_features = in_channels, out_channels
