"""The segmentor that trains CDSegNet: segmentation and noise recovery at once."""

from mmdet3d.models.segmentors import MinkUNet
from mmdet3d.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class DenoisingSegmentor(MinkUNet):
    """``MinkUNet`` whose backbone has a ``denoise`` method; the same network in eval.

    The loss of the noise is added to the head's (the released configs add them for distillation;
    the one that trains CDSegNet on ScanNet takes the square root of their product instead).

    Args:
        loss_noise: Config of the loss between recovered and true noise.
        kwargs: As for ``MinkUNet``; a neck is not supported.
    """

    def __init__(self, loss_noise: dict = dict(type='mmdet.MSELoss'), **kwargs) -> None:  # noqa: B006
        super().__init__(**kwargs)
        self.loss_noise = MODELS.build(loss_noise)

    def loss(self, inputs: dict, data_samples: list) -> dict[str, Tensor]:
        """Compute the head's losses and ``loss_noise`` of a batch of voxels."""
        voxels = inputs['voxels']
        feat, found, true = self.backbone.denoise(voxels['voxels'], voxels['coors'])
        losses = self.decode_head.loss(feat, data_samples, self.train_cfg)
        losses['loss_noise'] = self.loss_noise(found.float(), true.float())
        return losses
