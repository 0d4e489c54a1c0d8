# SRKD's student: base with every width halved and the same number of heads.
_base_ = './ptv3-base_4xb2-800e_scannet-seg.py'
model = dict(
    backbone=dict(enc_channels=(16, 32, 64, 128, 256), dec_channels=(32, 32, 64, 128)),
    decode_head=dict(channels=32))
