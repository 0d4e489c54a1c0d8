_base_ = 'mmdet3d::pointpillars/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py'
custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
default_hooks = dict(reseed=dict(type='ReseedHook'))
randomness = dict(seed=0)
published = dict(  # this network as a teacher: mmdet3d's weights
    config='{{ fileDirname }}/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py',
    checkpoint='https://download.openmmlab.com/mmdetection3d/'
    'v1.0.0_models/pointpillars/hv_pointpillars_fpn_sbn-all_4x8_2x_nus-3d/'
    'hv_pointpillars_fpn_sbn-all_4x8_2x_nus-3d_20210826_104936-fca299c1.pth',
)
