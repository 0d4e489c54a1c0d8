_base_ = [
    './ptv3-half_4xb2-50e_nuscenes-lidarseg.py',
    '../_base_/distill/srkd_released_nuscenes.py',
]
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-large_4xb2-50e_nuscenes-lidarseg.py'),
    terms=_base_.distill.terms,
)
# The release's own cycle for its distillation configs, which is not that of its baseline.
optim_wrapper = dict(optimizer=dict(lr=0.001))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=5),
    dict(_base_.param_scheduler[1], begin=5, T_max=45),
]
