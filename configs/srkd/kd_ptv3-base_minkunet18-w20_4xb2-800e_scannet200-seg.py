_base_ = ['./minkunet18-w20_4xb2-800e_scannet200-seg.py', '../_base_/distill/kd.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-base_4xb2-800e_scannet200-seg.py'),
    terms=_base_.distill.terms,
)
