_base_ = ['./ptv3-mini-s_1xb4-15e_mini-pandaset.py', '../_base_/distill/kd.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-mini-t_1xb4-20e_mini-pandaset.py'),
    terms=_base_.distill.terms,
)
