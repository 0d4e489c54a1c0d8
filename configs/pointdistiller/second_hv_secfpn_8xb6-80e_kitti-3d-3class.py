_base_ = 'mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py'
custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
default_hooks = dict(reseed=dict(type='ReseedHook'))
randomness = dict(seed=0)
published = dict(  # this network as a teacher: mmdet3d's weights
    config='{{ fileDirname }}/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py',
    checkpoint='https://download.openmmlab.com/mmdetection3d/'
    'v1.1.0_models/second/second_hv_secfpn_8xb6-80e_kitti-3d-3class/'
    'second_hv_secfpn_8xb6-80e_kitti-3d-3class-b086d0a3.pth',
)
