# A handful of PandaSet frames on two CPU cores: an epoch sees a quarter of each of them twice.
_base_ = './pandaset.py'
train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='SphereCrop', max_points=25000),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(
    batch_size=4,
    num_workers=0,  # a worker forked each epoch costs page faults in all steps, loading little
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=2,
        dataset={**_base_.train_dataloader.dataset, 'pipeline': train_pipeline},
    ),
)
val_dataloader = dict(num_workers=1)
test_dataloader = val_dataloader
