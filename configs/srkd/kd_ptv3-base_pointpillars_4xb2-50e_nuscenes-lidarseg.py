_base_ = ['./pointpillars_4xb2-50e_nuscenes-lidarseg.py', '../_base_/distill/kd.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-base_4xb2-50e_nuscenes-lidarseg.py'),
    terms=_base_.distill.terms,
)
