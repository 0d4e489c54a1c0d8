# PointDistiller, mended: importance scaled to [0, 1] before the softmax, so that the temperature means
# the same for point counts and for features, live reweighting on maps and points too, anchors and
# neighbors within one sample, and a teacher graph that stays as it was drawn, so that both graphs
# cannot collapse to a constant. One set of terms for each family of detectors; taps as in the
# release, CenterPoint's as for SECOND.
graph = dict(
    graph_channels=32,
    weights=dict(type='SoftmaxWeights', temperature=0.1, scale='minmax'),
    guard='frozen',
    loss_weight=2.0,
)
pillars = dict(type='PointCountLocalGraphLoss', num_anchors=6000, num_neighbors=128, **graph)
maps = dict(type='LocalGraphLoss', num_anchors=256, num_neighbors=128, **graph)
points = dict(type='LocalGraphLoss', num_anchors=6000, num_neighbors=128, **graph)
distill = dict(
    pointpillars=dict(local_graph=dict(student_tap='voxel_encoder', loss=pillars)),
    second=dict(
        local_graph_0=dict(student_tap='backbone.blocks.0', loss=maps),
        local_graph_1=dict(student_tap='backbone.blocks.1', loss=maps),
    ),
    centerpoint=dict(
        local_graph_0=dict(student_tap='pts_backbone.blocks.0', loss=maps),
        local_graph_1=dict(student_tap='pts_backbone.blocks.1', loss=maps),
    ),
    mvx=dict(local_graph=dict(student_tap='pts_neck.fpn_convs.0', loss=maps)),
    pointrcnn=dict(local_graph=dict(student_tap='neck.FP_modules.3', loss=points)),
)
custom_hooks = [dict(type='DistillCheckpointHook')]
