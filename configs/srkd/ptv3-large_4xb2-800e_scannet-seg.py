# The teacher above 100 M parameters: base with every width times 1.5.
_base_ = './ptv3-base_4xb2-800e_scannet-seg.py'
model = dict(
    backbone=dict(
        enc_channels=(48, 96, 192, 384, 768),
        enc_num_head=(3, 6, 12, 24, 48),
        dec_channels=(96, 96, 192, 384),
        dec_num_head=(6, 6, 12, 24)),
    decode_head=dict(channels=96))
