_base_ = [
    './pointpillars-4x_8xb6-160e_kitti-3d-3class.py',
    '../_base_/distill/pointdistiller_released.py',
]
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
        checkpoint='https://download.openmmlab.com/mmdetection3d/'
        'v1.0.0_models/pointpillars/hv_pointpillars_secfpn_6x8_160e_kitti-3d-3class/'
        'hv_pointpillars_secfpn_6x8_160e_kitti-3d-3class_20220301_150306-37dc2420.pth',
    ),
    terms=_base_.distill.pointpillars,
)
