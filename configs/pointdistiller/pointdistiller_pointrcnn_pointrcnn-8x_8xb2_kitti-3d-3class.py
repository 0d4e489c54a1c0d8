# CUDA only: furthest point sampling and ball query of mmcv have no CPU kernel.
_base_ = ['./pointrcnn-8x_8xb2_kitti-3d-3class.py', '../_base_/distill/pointdistiller.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=_base_.published,
    terms=_base_.distill.pointrcnn,
)
