_base_ = [
    './centerpoint-mini-4x_1xb4-20e_mini-nuscenes-3d.py',
    '../_base_/distill/pointdistiller.py',
]
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py'),
    terms=_base_.distill.centerpoint,
)
