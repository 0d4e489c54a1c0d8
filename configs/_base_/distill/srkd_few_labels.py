# SRKD where few scans have labels, its logit term as in kd_few_labels.py, its relation terms as
# heavy as the same search found best.
_base_ = './srkd_all_scans.py'
distill = dict(
    terms=dict(
        kd=dict(loss=dict(temperature=1.0, loss_weight=10.0)),
        affinity_point=dict(loss=dict(loss_weight=3.0)),
        affinity_voxel=dict(loss=dict(loss_weight=3.0)),
        channel=dict(loss=dict(loss_weight=3.0)),
        cross_sample=dict(loss=dict(loss_weight=3.0)),
    )
)
