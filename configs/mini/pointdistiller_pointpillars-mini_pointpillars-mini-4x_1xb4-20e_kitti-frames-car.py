_base_ = [
    './pointpillars-mini-4x_1xb4-20e_kitti-frames-car.py',
    '../_base_/distill/pointdistiller.py',
]
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/pointpillars-mini_1xb4-20e_kitti-frames-car.py'),
    terms=_base_.distill.pointpillars,
)
model['terms']['local_graph']['loss'].update(num_anchors=2000, num_neighbors=32)  # in minutes
