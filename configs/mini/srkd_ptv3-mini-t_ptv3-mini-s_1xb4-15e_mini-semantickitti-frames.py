_base_ = ['./ptv3-mini-s_1xb4-15e_mini-semantickitti-frames.py', '../_base_/distill/srkd.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-mini-t_1xb4-20e_mini-semantickitti-frames.py'),
    super_voxels=_base_.super_voxels,
    terms=_base_.distill.terms,
)
train_dataloader = _base_.batches
