"""The head of networks that were trained on several data sets at once: classes are directions.

Shape letters: N voxels, C and E channels, L classes.
"""

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from .voxel_seg_head import VoxelSegHead


class AlignedClasses(nn.Module):
    r"""Cosines with fixed directions, times a learned scale.

    .. math:: z = e^{s} \frac{W f + b}{\lVert W f + b \rVert} E^\top

    Source: Point Prompt Training (arXiv 2308.09718), language-driven alignment, where E holds the
    embedded names of the classes.

    Args:
        channels: C.
        num_classes: L.
        embed_channels: E.
    """

    def __init__(self, channels: int, num_classes: int, embed_channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, embed_channels)
        self.register_buffer('embedding', torch.zeros(num_classes, embed_channels))
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def forward(self, feat: Tensor) -> Tensor:
        """Map ``(N, C)`` to logits ``(N, L)``."""
        text = self.proj(feat)  # (N, E)
        text = text / text.norm(dim=1, keepdim=True)
        return self.logit_scale.exp() * (text @ self.embedding.to(text.dtype).T)


@MODELS.register_module()
class AlignedSegHead(VoxelSegHead):
    """``VoxelSegHead`` whose classes are :class:`AlignedClasses`.

    Args:
        embed_channels: Channels of a class's direction.
        kwargs: As for :class:`VoxelSegHead`.
    """

    def __init__(self, *args, embed_channels: int = 512, **kwargs) -> None:
        self.embed_channels = embed_channels
        super().__init__(*args, **kwargs)

    def build_conv_seg(self, channels: int, num_classes: int, kernel_size: int) -> nn.Module:
        """Build what maps features to logits."""
        return AlignedClasses(channels, num_classes, self.embed_channels)
