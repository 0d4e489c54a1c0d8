"""A voxel segmentation head with the task loss of PTv3 and SRKD: cross-entropy and Lovasz."""

import torch
from mmdet3d.models.decode_heads import MinkUNetHead
from mmdet3d.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class VoxelSegHead(MinkUNetHead):
    """``MinkUNetHead`` with a second loss; parameter names are the same.

    SRKD's released configs train with cross-entropy + Lovasz-softmax, both of weight 1, where
    mmdet3d's head has room for one ``loss_decode``.

    Args:
        loss_lovasz: Config of the second loss; None leaves mmdet3d's behavior.
        kwargs: As for ``MinkUNetHead``.
    """

    def __init__(
        self,
        channels: int,
        num_classes: int,
        loss_lovasz: dict | None = dict(type='LovaszLoss', reduction='none'),  # noqa: B006
        dropout_ratio: float = 0.0,
        **kwargs,
    ) -> None:
        super().__init__(channels, num_classes, dropout_ratio=dropout_ratio, **kwargs)
        self.loss_lovasz = None if loss_lovasz is None else MODELS.build(loss_lovasz)

    def loss_by_feat(self, seg_logit: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Compare voxel logits with voxel labels, in float32 under autocast.

        Args:
            seg_logit: ``(N, L)`` logits of all voxels of the batch.
            batch_data_samples: Samples with ``gt_pts_seg.voxel_semantic_mask``.

        Returns:
            ``loss_sem_seg`` and, when configured, ``loss_lovasz``; zeros connected to the logits
            where no voxel has a label.
        """
        with torch.autocast(seg_logit.device.type, enabled=False):
            seg_logit = seg_logit.float()
            losses = super().loss_by_feat(seg_logit, batch_data_samples)
            if self.loss_lovasz is not None:
                label = self._stack_batch_gt(batch_data_samples)
                labeled = label != self.ignore_index
                # mmdet3d's Lovasz has no class to average without labels, and drops a dimension
                # with one: masking here covers both.
                losses['loss_lovasz'] = (
                    self.loss_lovasz(seg_logit[labeled], label[labeled], ignore_index=None)
                    if labeled.any()
                    else seg_logit.sum() * 0.0
                )
        return losses
