# CDSegNet, 101,387,354 parameters: a deeper PTv3 that a noise branch joins at the bottleneck.
# A MinkUNet segmentor of this backbone has the same parameters, for a teacher that is not trained.
_base_ = './ptv3.py'
model = dict(
    type='DenoisingSegmentor',
    backbone=dict(
        type='CDSegNet',
        enc_depths=(2, 2, 2, 6, 6),
        depth='floor',  # the rule of its fork, from the data: what published weights want
        noise=dict(
            stride=(4, 4),
            enc_depths=(2, 2, 2),
            enc_channels=(32, 64, 128),
            enc_num_head=(2, 4, 8),
            enc_patch_size=(1024, 1024, 1024),
            dec_depths=(2, 2),
            dec_channels=(64, 64),
            dec_num_head=(4, 4),
            dec_patch_size=(1024, 1024),
        ),
        time_channels=128,
        diffusion_steps=1000,
    ),
)
