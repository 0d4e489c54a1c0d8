_base_ = ['./second-16x_8xb6-80e_kitti-3d-3class.py', '../_base_/distill/pointdistiller.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=_base_.published,
    terms=_base_.distill.second,
)
