# CUDA only: furthest point sampling and ball query of mmcv have no CPU kernel.
_base_ = 'mmdet3d::point_rcnn/point-rcnn_8xb2_kitti-3d-3class.py'
custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
default_hooks = dict(reseed=dict(type='ReseedHook'))
randomness = dict(seed=0)
published = dict(  # this network as a teacher: mmdet3d's weights
    config='{{ fileDirname }}/point-rcnn_8xb2_kitti-3d-3class.py',
    checkpoint='https://download.openmmlab.com/mmdetection3d/'
    'v1.0.0_models/point_rcnn/'
    'point_rcnn_2x8_kitti-3d-3classes_20211208_151344.pth',
)
