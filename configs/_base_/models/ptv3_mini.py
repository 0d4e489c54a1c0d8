# PTv3 with four stages for rooms of a few thousand voxels, at the teacher's width. `sizes` holds what
# the others change.
_base_ = './ptv3.py'
model = dict(
    data_preprocessor=dict(voxel_size=0.1, max_voxels=None),
    backbone=dict(
        stride=(2, 2, 2),
        enc_depths=(1, 1, 2, 1),
        enc_channels=(32, 64, 128, 192),
        enc_num_head=(2, 4, 8, 12),
        enc_patch_size=(128, 128, 128, 128),
        dec_depths=(1, 1, 1),
        dec_channels=(48, 64, 128),
        dec_num_head=(3, 4, 8),
        dec_patch_size=(128, 128, 128),
        drop_path=0.1,
        depth=9,
    ),
    decode_head=dict(channels=48),
)
sizes = dict(
    _delete_=True,  # those of five stages
    # the student: a fifteenth of the teacher's parameters
    s=dict(
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
    ),
    # a teacher small enough to be committed (fp16 below 5 MB); the student's widths divide its own
    m=dict(
        backbone=dict(
            enc_channels=(32, 48, 96, 144),
            enc_num_head=(2, 3, 6, 9),
            dec_channels=(32, 48, 96),
            dec_num_head=(2, 3, 6),
        ),
        decode_head=dict(channels=32),
    ),
)
