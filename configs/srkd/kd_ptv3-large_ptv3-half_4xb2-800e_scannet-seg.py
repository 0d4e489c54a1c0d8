_base_ = ['./ptv3-half_4xb2-800e_scannet-seg.py', '../_base_/distill/kd.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-large_4xb2-800e_scannet-seg.py'),
    terms=_base_.distill.terms,
)
