# The student: a fifteenth of the teacher's parameters.
_base_ = [
    '../_base_/models/ptv3_mini.py',
    '../_base_/datasets/mini-scannet-seg.py',
    '../_base_/schedules/mini-15e.py',
    '../_base_/mini_runtime.py',
]
model = dict(
    backbone=dict(
        enc_depths=(1, 1, 1, 1),
        enc_channels=(16, 24, 32, 48),
        enc_num_head=(2, 3, 4, 6),
        enc_patch_size=(64, 64, 64, 64),
        dec_channels=(16, 24, 32),
        dec_num_head=(2, 3, 4),
        dec_patch_size=(64, 64, 64),
        drop_path=0.0,
    ),
    decode_head=dict(channels=16),
)
