# The procedural streets of `tools/make_mini_data.py nuscenes`: the data set's layout at another place,
# loaders sized for two CPU cores and, for short trainings, no mixing of scans.
_base_ = './nuscenes-lidarseg.py'
data_root = 'data/mini_nuscenes/'
train_pipeline = [
    *_base_.load,
    *_base_.augment,
    dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask']),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,  # a worker forked each epoch costs page faults in all steps, loading little
    persistent_workers=False,
    dataset=dict(data_root=data_root, pipeline=train_pipeline),
)
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
