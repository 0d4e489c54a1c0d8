_base_ = ['./centerpoint-4x_8xb4-cyclic-20e_nus-3d.py', '../_base_/distill/fitnet.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=dict(
        config='{{ fileDirname }}/centerpoint_pillar02_second_secfpn_head-circlenms_8xb4-cyclic-20e_nus-3d.py',
        checkpoint='https://download.openmmlab.com/mmdetection3d/'
        'v1.0.0_models/centerpoint/centerpoint_02pillar_second_secfpn_circlenms_4x8_cyclic_20e_nus/'
        'centerpoint_02pillar_second_secfpn_circlenms_4x8_cyclic_20e_nus_20220811_031844-191a3822.pth',
    ),
    terms=_base_.distill.centerpoint,
)
