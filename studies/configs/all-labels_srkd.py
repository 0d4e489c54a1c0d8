# SRKD with the weights of srkd_few_labels, all rooms labeled.
_base_ = '../../configs/mini/srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
model = dict(
    terms=dict(
        kd=dict(loss=dict(temperature=1.0, loss_weight=10.0)),
        affinity_point=dict(loss=dict(loss_weight=3.0)),
        affinity_voxel=dict(loss=dict(loss_weight=3.0)),
        channel=dict(loss=dict(loss_weight=3.0)),
        cross_sample=dict(loss=dict(loss_weight=3.0)),
    )
)
