_base_ = ['./second-16x_8xb6-80e_kitti-3d-3class.py', '../_base_/distill/pointdistiller.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
        checkpoint='https://download.openmmlab.com/mmdetection3d/'
        'v1.1.0_models/second/second_hv_secfpn_8xb6-80e_kitti-3d-3class/'
        'second_hv_secfpn_8xb6-80e_kitti-3d-3class-b086d0a3.pth',
    ),
    terms=_base_.distill.second,
)
