# Feature imitation inside ground-truth boxes ("FG" in comparisons of detection distillation), every
# cell of a box alike. Cells count whose center a box, widened by the margin in meters, holds.
mse = dict(
    connector=dict(type='LinearConnector'),
    loss=dict(type='ForegroundMSELoss', margin=0.2, loss_weight=1.0),
)
distill = dict(
    pointpillars=dict(fg=dict(student_tap='neck', **mse)),
    second=dict(fg=dict(student_tap='neck', **mse)),
    centerpoint=dict(fg=dict(student_tap='pts_neck', **mse)),
)
custom_hooks = [dict(type='DistillCheckpointHook')]
