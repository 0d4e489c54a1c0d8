# Loaders, metric and test-time augmentation that the segmentation data sets share.
train_dataloader = dict(
    batch_size=2,  # times 4 GPUs: the batch of 8 that SRKD and its baseline train with
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='SegMetricWithVoxels')  # miou: all raw points; voxel_miou: voxels
test_evaluator = val_evaluator
tta_model = dict(type='Seg3DTTAModel')
# TensorBoard: visualizer = dict(vis_backends=[dict(type='TensorboardVisBackend')]) in a config. No name:
# of two runs in one process with one name, the second would log into the first one's folder.
visualizer = dict(type='Det3DLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
