# The student: a fifteenth of the teacher's parameters.
_base_ = './ptv3-mini-t_1xb4-30e_mini-scannet-seg.py'
model = dict(
    backbone=dict(
        enc_depths=(1, 1, 1, 1),
        enc_channels=(16, 24, 32, 48),
        enc_num_head=(2, 3, 4, 6),
        enc_patch_size=(64, 64, 64, 64),
        dec_channels=(16, 24, 32),
        dec_num_head=(2, 3, 4),
        dec_patch_size=(64, 64, 64),
        drop_path=0.0),
    decode_head=dict(channels=16))
