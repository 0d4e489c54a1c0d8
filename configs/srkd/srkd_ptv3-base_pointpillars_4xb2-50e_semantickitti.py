_base_ = ['./pointpillars_4xb2-50e_semantickitti.py', '../_base_/distill/srkd.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-base_4xb2-50e_semantickitti.py'),
    super_voxels=_base_.super_voxels,
    terms=_base_.distill.terms,
)
train_dataloader = dict(
    drop_last=False,  # the batch sampler's own argument
    # only keeps scans of a place apart: scans of one kind in a batch cost mIoU where we measured
    batch_sampler=dict(type='CrossSampleBatchSampler', drop_last=True),
)
