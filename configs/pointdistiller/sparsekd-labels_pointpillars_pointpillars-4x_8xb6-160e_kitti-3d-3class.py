_base_ = ['./pointpillars-4x_8xb6-160e_kitti-3d-3class.py', '../_base_/distill/sparsekd.py']
model = dict(
    _delete_=True,
    type='DistillDetector',
    student=_base_.model,
    teacher=_base_.published,
    terms=_base_.distill.pointpillars,
    teacher_boxes=dict(score_thr=0.6),
)
