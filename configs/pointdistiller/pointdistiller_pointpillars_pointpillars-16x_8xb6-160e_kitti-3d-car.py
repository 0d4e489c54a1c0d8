_base_ = ['./pointpillars-16x_8xb6-160e_kitti-3d-car.py', '../_base_/distill/pointdistiller.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=_base_.published,
    terms=_base_.distill.pointpillars,
)
