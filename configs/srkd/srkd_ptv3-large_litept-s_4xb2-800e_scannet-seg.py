_base_ = ['./litept-s_4xb2-800e_scannet-seg.py', '../_base_/distill/srkd.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-large_4xb2-800e_scannet-seg.py'),
    super_voxels=_base_.super_voxels,
    terms=_base_.distill.terms,
)
train_dataloader = _base_.batches
