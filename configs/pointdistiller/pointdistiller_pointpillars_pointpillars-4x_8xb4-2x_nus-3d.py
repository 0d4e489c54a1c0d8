_base_ = ['./pointpillars-4x_8xb4-2x_nus-3d.py', '../_base_/distill/pointdistiller.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py',
        checkpoint='https://download.openmmlab.com/mmdetection3d/'
        'v1.0.0_models/pointpillars/hv_pointpillars_fpn_sbn-all_4x8_2x_nus-3d/'
        'hv_pointpillars_fpn_sbn-all_4x8_2x_nus-3d_20210826_104936-fca299c1.pth',
    ),
    terms=_base_.distill.mvx,
)
