_base_ = ['./ptv3-half_4xb2-800e_scannet-seg.py', '../_base_/distill/srkd_released_scannet.py']
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-large_4xb2-800e_scannet-seg.py'),
    terms=_base_.distill.terms,
)
# The release's own cycle for its distillation configs, which is not that of its baseline.
optim_wrapper = dict(optimizer=dict(lr=0.002))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=400),
    dict(_base_.param_scheduler[1], begin=400, T_max=400),
]
