# LitePT-S, 12.7 M parameters: convolutions in three fine stages, attention in two coarse ones.
_base_ = './ptv3.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='LitePT',
        in_channels=6,
        order=('z', 'z-trans', 'hilbert', 'hilbert-trans'),
        stride=(2, 2, 2, 2),
        enc_depths=(2, 2, 2, 6, 2),
        enc_channels=(36, 72, 144, 252, 504),
        enc_num_head=(2, 4, 8, 14, 28),
        enc_patch_size=(1024, 1024, 1024, 1024, 1024),
        enc_attn=(False, False, False, True, True),
        dec_depths=(0, 0, 0, 0),
        dec_channels=(72, 72, 144, 252),
        rope_freq=100.0,
        mlp_ratio=4,
        qkv_bias=True,
        drop_path=0.3,
        shuffle_orders=True,
        depth=12,
    ),
    decode_head=dict(channels=72),
)
