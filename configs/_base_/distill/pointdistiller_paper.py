# PointDistiller as the paper describes it (arXiv 2205.11098, section 3): softmax of raw importance,
# both graphs trained, points reweighted by the teacher's graph feature. The text gives no N, K,
# temperature or weight: they are the release's.
graph = dict(graph_channels=32, guard='none', loss_weight=2.0)
softmax = dict(type='SoftmaxWeights', temperature=1e-2, scale='none')
pillars = dict(
    type='PointCountLocalGraphLoss', num_anchors=6000, num_neighbors=128, weights=softmax, **graph
)
maps = dict(type='LocalGraphLoss', num_anchors=256, num_neighbors=128, weights=softmax, **graph)
points = dict(
    type='LocalGraphLoss',
    num_anchors=6000,
    num_neighbors=128,
    weights=dict(type='GraphWeights', temperature=1e-2, scale='none'),
    **graph,
)
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
