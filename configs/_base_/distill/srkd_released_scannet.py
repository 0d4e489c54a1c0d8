# What SRKD's released ScanNet configs combine at most (file suffix CIRKD): KL + feature MSE on the
# four decoder stages + the relation over all ordered pairs of the mini-batch. The paper's and the
# release's weights of the last two look swapped, which leaves the relation inert. Ignored points are
# dropped, as the released KDLoss_CE does. For networks with decoder stages dec0 ... dec3 (PTv3).
mse = dict(type='FeatureMSELoss', loss_weight=0.1)
linear = dict(type='LinearConnector')
distill = dict(
    terms=dict(
        kd=dict(
            student_tap='decode_head.conv_seg',
            loss=dict(type='SoftTargetKLLoss', temperature=2.0, loss_weight=0.3, skip_ignored=True),
        ),
        mse_dec0=dict(student_tap='backbone.dec.dec0', connector=linear, loss=mse),
        mse_dec1=dict(student_tap='backbone.dec.dec1', connector=linear, loss=mse),
        mse_dec2=dict(student_tap='backbone.dec.dec2', connector=linear, loss=mse),
        mse_dec3=dict(student_tap='backbone.dec.dec3', connector=linear, loss=mse),
        cross_sample=dict(
            student_tap='backbone',
            loss=dict(
                type='CrossSampleAffinityLoss',
                temperature=2.0,
                n_points=1024,
                pairs='all',
                loss_weight=0.001,
                gather=True,
            ),
        ),
    )
)
custom_hooks = [dict(type='DistillCheckpointHook')]
