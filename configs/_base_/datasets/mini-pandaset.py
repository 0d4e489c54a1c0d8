# A handful of PandaSet frames on two CPU cores: an epoch sees each of them twice.
_base_ = './pandaset.py'
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        _delete_=True, type='RepeatDataset', times=2, dataset=_base_.train_dataloader.dataset))
val_dataloader = dict(num_workers=1)
test_dataloader = val_dataloader
