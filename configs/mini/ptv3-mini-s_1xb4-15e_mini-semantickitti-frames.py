_base_ = [
    '../_base_/models/ptv3_mini.py',
    '../_base_/datasets/mini-semantickitti-frames.py',
    '../_base_/schedules/mini-15e.py',
    '../_base_/mini_runtime.py',
]
model = dict(
    data_preprocessor=dict(voxel_size=0.4),
    backbone=dict(
        in_channels=4,
        depth=10,
        enc_depths=(1, 1, 1, 1),
        enc_channels=(16, 24, 32, 48),
        enc_num_head=(2, 3, 4, 6),
        enc_patch_size=(64, 64, 64, 64),
        dec_channels=(16, 24, 32),
        dec_num_head=(2, 3, 4),
        dec_patch_size=(64, 64, 64),
        drop_path=0.0,
    ),
    decode_head=dict(channels=16, num_classes=19, ignore_index=19),
)
