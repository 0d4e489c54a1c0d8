_base_ = ['./centerpoint-16x_8xb4-cyclic-20e_nus-3d.py', '../_base_/distill/pointdistiller.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=_base_.published,
    terms=_base_.distill.centerpoint,
)
