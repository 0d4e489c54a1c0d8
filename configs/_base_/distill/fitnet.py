# FitNets (arXiv 1412.6550) for detectors: features of the whole map, behind a linear connector.
mse = dict(
    connector=dict(type='LinearConnector'), loss=dict(type='FeatureMSELoss', loss_weight=1.0)
)
distill = dict(
    pointpillars=dict(fitnet=dict(student_tap='neck', **mse)),
    second=dict(fitnet=dict(student_tap='neck', **mse)),
    centerpoint=dict(fitnet=dict(student_tap='pts_neck', **mse)),
)
custom_hooks = [dict(type='DistillCheckpointHook')]
