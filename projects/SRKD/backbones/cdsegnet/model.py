"""CDSegNet as a backbone of sparse voxels: PTv3 whose bottleneck listens to a noise branch.

Source: W. Qu et al., An End-to-End Robust Point Cloud Semantic Segmentation Network with
Single-Step Conditional Diffusion Models, arXiv 2411.16308 (CVPR 2025), and its authors' released
configuration.

Shape letters: N voxels, C_in and C channels, B samples.
"""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from ...base import UsageError
from ..ptv3.model import PointTransformerV3
from ..ptv3.point_cloud import PointCloud, StageIndex
from ..ptv3.unet import decode, encode
from .condition import NoiseBranch, TimedCloud
from .fusion import FusionBlock
from .noise import cosine_alpha_bar, voxel_noise

# From parameter names of the released checkpoints to ours in mmdet3d's segmentor, for the
# ``revise_keys`` of ``mmengine.runner.load_checkpoint``.
RELEASED_NAMES = [
    (r'^module\.', ''),
    (r'^backbone\._n_head\.', 'decode_head.conv_seg.'),
    (r'^backbone\._n_', 'backbone.'),
    (r'^backbone\._c_', 'backbone.noise.'),
    (r'^backbone\.fc_t1\.', 'backbone.noise.time.0.'),
    (r'^backbone\.fc_t2\.', 'backbone.noise.time.2.'),
    (r'^backbone\._tm_dec0\.cross_block2\.', 'backbone.fusion.'),
]


class CDSegNet(PointTransformerV3):
    """A PTv3 (``embedding``, ``enc``, ``dec``) fused with a noise branch at its bottleneck.

    The main branch always sees the clean input. In training the noise branch sees the input after
    a random diffusion step of each sample, and :meth:`denoise` has it recover the noise, with a
    decoder that :meth:`forward` leaves alone (so train with :class:`DenoisingSegmentor`). In eval
    the original feeds it Gaussian noise drawn anew, at the last step. Here that noise is fixed, a
    function of the voxel: what the network was trained on, yet the same in every forward, in any
    row order and batch, as a teacher needs. Its mean, zero, is the other choice.

    Args:
        enc_depths: Blocks per encoder stage of the main branch.
        noise: Other dimensions of :class:`NoiseBranch` than CDSegNet's (``stride``, ``enc_*``,
            ``dec_*``); the product of its strides is that of the main branch.
        time_channels: Width of the time embedding.
        diffusion_steps: Length of the diffusion.
        noise_seed: Seed of eval's fixed noise; None for zeros.
        kwargs: Further arguments of :class:`PointTransformerV3`, for both branches where they are
            no dimensions of a stage.

    Raises:
        UsageError: If the branches do not meet on the same grid, and as for
            :class:`PointTransformerV3`.
    """

    def __init__(
        self,
        in_channels: int = 6,
        stride: Sequence[int] = (2, 2, 2, 2),
        enc_depths: Sequence[int] = (2, 2, 2, 6, 6),
        enc_channels: Sequence[int] = (32, 64, 128, 256, 512),
        enc_num_head: Sequence[int] = (2, 4, 8, 16, 32),
        enc_patch_size: Sequence[int] = (1024, 1024, 1024, 1024, 1024),
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        attn_drop: float = 0.0,
        proj_drop: float = 0.0,
        drop_path: float = 0.3,
        shuffle_orders: bool = True,
        with_cp: bool = False,
        noise: dict | None = None,
        time_channels: int = 128,
        diffusion_steps: int = 1000,
        noise_seed: int | None = 0,
        **kwargs,
    ) -> None:
        kwargs.setdefault('depth', 'floor')  # the rule of CDSegNet's fork
        shared = dict(
            mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, attn_drop=attn_drop, proj_drop=proj_drop
        )
        super().__init__(
            in_channels, stride=stride, enc_depths=enc_depths, enc_channels=enc_channels,
            enc_num_head=enc_num_head, enc_patch_size=enc_patch_size, qk_scale=qk_scale,
            drop_path=drop_path, shuffle_orders=shuffle_orders, with_cp=with_cp, **shared, **kwargs,
        )  # fmt: skip
        noise = dict(stride=(4, 4)) | (noise or {})
        if prod(noise['stride']) != prod(stride):
            raise UsageError(
                f'both branches must end on the same grid, but strides {tuple(stride)} multiply to '
                f'{prod(stride)} and those of the noise branch, {tuple(noise["stride"])}, to '
                f'{prod(noise["stride"])}'
            )
        self.noise_seed = noise_seed
        self.noise = NoiseBranch(
            in_channels, **noise, time_channels=time_channels, drop_path=drop_path,
            shuffle_orders=shuffle_orders, scale=qk_scale, with_cp=with_cp,
            **shared,
        )  # fmt: skip
        coarsest = list(self.noise.enc.values())[-1]
        self.fusion = FusionBlock(
            enc_channels[-1], coarsest.out_channels, enc_num_head[-1], enc_patch_size[-1],
            drop_path=0.4 * drop_path, scale=qk_scale, **shared,
        )  # fmt: skip
        alpha_bar = cosine_alpha_bar(diffusion_steps).float()
        self.register_buffer('alpha_bar', alpha_bar, persistent=False)

    def denoise(self, feat: Tensor, coors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Compute features and the noise that the noise branch finds in its input.

        Args:
            feat: ``(N, C_in)``.
            coors: Distinct voxels, ``(N, 4)`` batch, x, y, z.

        Returns:
            Features ``(N, C)``, the recovered noise ``(N, C_in)`` and the true noise
            ``(N, C_in)``, which training compares by mean squared error.
        """
        index = self._index(feat, coors)
        true, noisy, time = self._noisy(feat, coors)
        skips, noise_skips = self._encode(feat, noisy, time, index)
        return decode(self.dec, skips)[-1].feat, self.noise.decode(noise_skips), true

    def _stages(self, feat: Tensor, index: StageIndex) -> list[PointCloud]:
        _, noisy, time = self._noisy(feat, index.coors)
        return decode(self.dec, self._encode(feat, noisy, time, index)[0])

    def _encode(
        self, feat: Tensor, noisy: Tensor, time: Tensor, index: StageIndex
    ) -> tuple[list[PointCloud], list[TimedCloud]]:
        """Encode both branches and join their coarsest stages."""
        skips = encode(self.enc, PointCloud(self.embedding(feat, index.grid), index))
        noise_skips = self.noise.encode(noisy, time, index)
        skips[-1], noise_skips[-1] = self.fusion(skips[-1], noise_skips[-1])
        return skips, noise_skips

    def _noisy(self, feat: Tensor, coors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Noise ``(N, C_in)``, the noise branch's input ``(N, C_in)`` and time steps ``(B,)``."""
        samples = int(coors[:, 0].max()) + 1 if len(coors) else 0
        last = len(self.alpha_bar) - 1
        if self.training:
            time = torch.randint(last + 1, (samples,), device=feat.device)
            noise = torch.randn_like(feat)
            signal = self.alpha_bar[time].index_select(0, coors[:, 0].long())[:, None]
            noisy = signal.sqrt() * feat + (1 - signal).sqrt() * noise
            return noise, noisy.to(feat.dtype), time
        time = torch.full((samples,), last, device=feat.device)
        if self.noise_seed is None:
            noise = torch.zeros_like(feat)
        else:
            noise = voxel_noise(coors, feat.shape[1], self.noise_seed).to(feat.dtype)
        return noise, noise, time
