# CUDA only: furthest point sampling and ball query of mmcv have no CPU kernel.
_base_ = ['./pointrcnn-16x_8xb2_kitti-3d-3class.py', '../_base_/distill/pointdistiller.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/point-rcnn_8xb2_kitti-3d-3class.py',
        checkpoint='https://download.openmmlab.com/mmdetection3d/'
        'v1.0.0_models/point_rcnn/'
        'point_rcnn_2x8_kitti-3d-3classes_20211208_151344.pth',
    ),
    terms=_base_.distill.pointrcnn,
)
