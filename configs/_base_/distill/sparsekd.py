# SparseKD (arXiv 2205.15156). Center heads: heat maps at pivotal positions with the weight 10 of its
# voxel detectors (7 for its pillars) and center regression with 0.2 (0 for its pillars, whose grids
# differ), averaged over nuScenes' six tasks. Anchor heads: class maps and boxes inside ground-truth
# boxes; the source gives no weights for those, the center heads' stand in.
tasks = ((0,), (1, 2), (3, 4), (5,), (6, 7), (8, 9))  # classes of each task, as mmdet3d orders them
heat = {
    f'heatmap_{i}': dict(
        student_tap=f'pts_bbox_head.task_heads.{i}.heatmap',
        loss=dict(type='PivotalHeatmapLoss', classes=classes, loss_weight=10 / 6),
    )
    for i, classes in enumerate(tasks)
}
regression = {
    f'{branch}_{i}': dict(
        student_tap=f'pts_bbox_head.task_heads.{i}.{branch}',
        loss=dict(type='CenterRegressionLoss', classes=classes, loss_weight=0.2 / 6),
    )
    for i, classes in enumerate(tasks)
    for branch in ('reg', 'height', 'dim', 'rot')
}
anchors = dict(
    logits=dict(
        student_tap='bbox_head.conv_cls',
        loss=dict(type='AnchorLogitLoss', mask='spatial', loss_weight=10.0),
    ),
    boxes=dict(student_tap='bbox_head.conv_reg', loss=dict(type='AnchorBoxLoss', loss_weight=0.2)),
)
distill = dict(pointpillars=anchors, second=anchors, centerpoint={**heat, **regression})
custom_hooks = [dict(type='DistillCheckpointHook')]
