_base_ = 'mmdet3d::centerpoint/centerpoint_pillar02_second_secfpn_head-circlenms_8xb4-cyclic-20e_nus-3d.py'
custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
default_hooks = dict(reseed=dict(type='ReseedHook'))
randomness = dict(seed=0)
published = dict(  # this network as a teacher: mmdet3d's weights
    config='{{ fileDirname }}/centerpoint_pillar02_second_secfpn_head-circlenms_8xb4-cyclic-20e_nus-3d.py',
    checkpoint='https://download.openmmlab.com/mmdetection3d/'
    'v1.0.0_models/centerpoint/centerpoint_02pillar_second_secfpn_circlenms_4x8_cyclic_20e_nus/'
    'centerpoint_02pillar_second_secfpn_circlenms_4x8_cyclic_20e_nus_20220811_031844-191a3822.pth',
)
