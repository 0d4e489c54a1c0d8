# SRKD's released nuScenes config with the most terms (file suffix CIRKD): temperature 1 and logit
# weight 0.1 where ScanNet's has 2 and 0.3. For networks with decoder stages dec0 ... dec3 (PTv3).
mse = dict(type='FeatureMSELoss', loss_weight=0.1)
linear = dict(type='LinearConnector')
distill = dict(
    terms=dict(
        kd=dict(
            student_tap='decode_head.conv_seg',
            loss=dict(
                type='SoftTargetKLLoss', temperature=1.0, loss_weight=0.1, skip_ignored=True)),
        mse_dec0=dict(student_tap='backbone.dec.dec0', connector=linear, loss=mse),
        mse_dec1=dict(student_tap='backbone.dec.dec1', connector=linear, loss=mse),
        mse_dec2=dict(student_tap='backbone.dec.dec2', connector=linear, loss=mse),
        mse_dec3=dict(student_tap='backbone.dec.dec3', connector=linear, loss=mse),
        cross_sample=dict(
            student_tap='backbone',
            loss=dict(
                type='CrossSampleAffinityLoss', temperature=1.0, n_points=1024, pairs='all',
                loss_weight=0.001))))
custom_hooks = [dict(type='DistillCheckpointHook')]
