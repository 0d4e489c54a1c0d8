_base_ = ['./pointpillars-4x_8xb6-160e_kitti-3d-car.py', '../_base_/distill/pointdistiller.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-car.py',
        checkpoint='https://download.openmmlab.com/mmdetection3d/'
        'v1.0.0_models/pointpillars/hv_pointpillars_secfpn_6x8_160e_kitti-3d-car/'
        'hv_pointpillars_secfpn_6x8_160e_kitti-3d-car_20220331_134606-d42d15ed.pth',
    ),
    terms=_base_.distill.pointpillars,
)
