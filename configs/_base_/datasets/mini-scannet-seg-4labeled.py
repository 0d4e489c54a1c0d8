# The mini rooms, four of them labeled: which ones follows from `seed`.
_base_ = './mini-scannet-seg.py'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='PartialLabels',
        dataset=_base_.train_dataloader.dataset,
        labeled=4,
        seed=0,
    )
)
# what a pair that learns from all of them takes beside it
labeled_batches = dict(
    drop_last=False,  # the batch sampler's own argument
    batch_sampler=dict(type='LabeledBatchSampler', drop_last=True),
)
