# The procedural rooms of `tools/make_mini_data.py scannet`: ScanNet's layout at another place, loaders
# sized for two CPU cores and, for short trainings, flips, rotation, scale and jitter alone.
_base_ = './scannet-seg.py'
data_root = 'data/mini_scannet/'
train_pipeline = [
    *_base_.load,
    *_base_.augment,
    _base_.normalize,
    dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask']),
]
test_pipeline = [*_base_.load, _base_.normalize, dict(type='Pack3DDetInputs', keys=['points'])]
tta_pipeline = [*_base_.load, _base_.normalize, _base_.tta_pipeline[-1]]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,  # a worker forked each epoch costs page faults in all steps, loading little
    persistent_workers=False,
    dataset=dict(
        data_root=data_root,
        scene_idxs='seg_info/train_resampled_scene_idxs.npy',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
