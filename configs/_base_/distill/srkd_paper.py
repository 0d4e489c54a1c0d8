# SRKD (arXiv 2506.17290) as printed: Eq. 10 with its weights, on the finest decoder features.
# Its weight w stands inside the affinity distance, so the affinity terms are small in rooms and inert
# on LiDAR; Eq. 7 is a mean over points. At temperature 2 the cross-sample term is small: a softmax
# over cosines is nearly flat. What each term amounts to: docs/presets.md. Our default is srkd.py.
channel = dict(student_tap='backbone', connector=dict(type='LinearConnector', bias=False))
mean = dict(temperature=2.0, reduction='mean', loss_weight=1000.0)
affinity = dict(weighting='paper', normalize='none', loss_weight=0.001)
distill = dict(
    terms=dict(
        kd=dict(
            student_tap='decode_head.conv_seg',
            loss=dict(type='SoftTargetKLLoss', temperature=2.0, loss_weight=0.3),
        ),
        affinity_point=dict(
            student_tap='backbone', loss=dict(type='PointAffinityLoss', **affinity)
        ),
        affinity_voxel=dict(
            student_tap='backbone', loss=dict(type='VoxelAffinityLoss', **affinity)
        ),
        channel=dict(loss=dict(type='ChannelKLLoss', **mean), **channel),
        channel_voxel=dict(loss=dict(type='VoxelChannelKLLoss', **mean), **channel),
        cross_sample=dict(
            student_tap='backbone',
            loss=dict(
                type='CrossSampleAffinityLoss',
                temperature=2.0,
                n_points=1024,
                loss_weight=0.1,
                # over all ranks: the 28 pairs of a batch of 8 on several GPUs, too
                gather=True,
            ),
        ),
    )
)
custom_hooks = [dict(type='DistillCheckpointHook')]
