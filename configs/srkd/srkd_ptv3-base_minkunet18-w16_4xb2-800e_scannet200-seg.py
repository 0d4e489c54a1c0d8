_base_ = ['./minkunet18-w16_4xb2-800e_scannet200-seg.py', '../_base_/distill/srkd.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-base_4xb2-800e_scannet200-seg.py'),
    super_voxels=_base_.super_voxels,
    terms=_base_.distill.terms,
)
train_dataloader = _base_.batches
