# What PointDistiller's release does when run, whatever its configs say: pillars of the whole batch in
# one graph, weights that differ from one another for pillars only (on maps every weight is the
# number of samples, for MVX detectors one, on points it is never applied), both graphs trained. The
# teacher here is in eval all the same; the release leaves its BatchNorm in training.
graph = dict(graph_channels=32, guard='none', loss_weight=2.0)
pillars = dict(
    type='PointCountLocalGraphLoss',
    num_anchors=6000,
    num_neighbors=128,
    weights=dict(type='SoftmaxWeights', temperature=1e-2, scale='none'),
    across_samples=True,
    **graph,
)
maps = dict(
    type='LocalGraphLoss',
    num_anchors=256,
    num_neighbors=128,
    weights=dict(type='InertWeights'),
    **graph,
)
points = dict(type='LocalGraphLoss', num_anchors=6000, num_neighbors=128, weights=None, **graph)
distill = dict(
    pointpillars=dict(local_graph=dict(student_tap='voxel_encoder', loss=pillars)),
    second=dict(
        local_graph_0=dict(student_tap='backbone.blocks.0', loss=maps),
        local_graph_1=dict(student_tap='backbone.blocks.1', loss=maps),
    ),
    mvx=dict(
        local_graph=dict(
            student_tap='pts_neck.fpn_convs.0',
            loss=maps | dict(graph_channels=64, weights=None),
        )
    ),
    pointrcnn=dict(local_graph=dict(student_tap='neck.FP_modules.3', loss=points)),
)
custom_hooks = [dict(type='DistillCheckpointHook')]
