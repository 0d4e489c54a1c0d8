_base_ = ['./ptv3-half_4xb2-800e_scannet-seg.py', '../_base_/distill/srkd_released_scannet.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/ptv3-large_4xb2-800e_scannet-seg.py',
        checkpoint='work_dirs/ptv3-large_4xb2-800e_scannet-seg/epoch_800.pth'),
    terms=_base_.distill.terms)
train_dataloader = dict(
    drop_last=False,  # the batch sampler's own argument
    batch_sampler=dict(type='CrossSampleBatchSampler', drop_last=True))
