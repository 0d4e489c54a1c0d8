_base_ = 'mmdet3d::pointpillars/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py'
custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
default_hooks = dict(reseed=dict(type='ReseedHook'))
randomness = dict(seed=0)
published = dict(  # this network as a teacher: mmdet3d's weights
    config='{{ fileDirname }}/pointpillars_hv_secfpn_8xb6-160e_kitti-3d-3class.py',
    checkpoint='https://download.openmmlab.com/mmdetection3d/'
    'v1.0.0_models/pointpillars/hv_pointpillars_secfpn_6x8_160e_kitti-3d-3class/'
    'hv_pointpillars_secfpn_6x8_160e_kitti-3d-3class_20220301_150306-37dc2420.pth',
)
