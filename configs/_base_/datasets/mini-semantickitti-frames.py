# Single frames of SemanticKITTI on two CPU cores: an epoch sees a fifth of each of them eight times.
_base_ = './semantickitti.py'
train_pipeline = [
    *_base_.load,
    *_base_.augment,
    dict(type='SphereCrop', max_points=25000),
    dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask']),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,  # a worker forked each epoch costs page faults in all steps, loading little
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=8,
        dataset={**_base_.train_dataloader.dataset, 'pipeline': train_pipeline},
    ),
)
val_dataloader = dict(num_workers=1)
test_dataloader = val_dataloader
