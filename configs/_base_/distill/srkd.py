# SRKD with our defaults where the paper leaves things open: super-voxels are drawn by the paper's
# weight, which is then normalized to mean 1 instead of entering the distance (where it makes the
# terms vanish), on l2-normalized features; the logit term has the paper's weight, the others start
# near its size (docs/presets.md). What each keyword means stands in the losses' docstrings.
distill = dict(
    terms=dict(
        kd=dict(
            student_tap='decode_head.conv_seg',
            loss=dict(type='SoftTargetKLLoss', temperature=2.0, loss_weight=0.3),
        ),
        affinity_point=dict(
            student_tap='backbone', loss=dict(type='PointAffinityLoss', loss_weight=0.1)
        ),
        affinity_voxel=dict(
            student_tap='backbone', loss=dict(type='VoxelAffinityLoss', loss_weight=0.1)
        ),
        channel=dict(
            student_tap='backbone',
            # a softmax over points undoes a bias
            connector=dict(type='LinearConnector', bias=False),
            loss=dict(type='ChannelKLLoss', temperature=2.0, loss_weight=0.1),
        ),
        cross_sample=dict(
            student_tap='backbone',
            loss=dict(
                type='CrossSampleAffinityLoss', temperature=0.1, n_points=1024, loss_weight=0.1
            ),
        ),
    )
)
custom_hooks = [
    dict(type='DistillCheckpointHook'),
    dict(type='BatchCompositionHook'),
]
# What a pair's `train_dataloader` adds: scans of one place are kept apart, and nothing else, for scans
# of one kind in a batch cost mIoU where we measured.
batches = dict(
    drop_last=False,  # the batch sampler's own argument
    batch_sampler=dict(type='CrossSampleBatchSampler', drop_last=True),
)
