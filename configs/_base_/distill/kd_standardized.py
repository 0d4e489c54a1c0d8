# Soft targets of z-scored logits (Sun et al., CVPR 2024): the student need not match the magnitudes
# of the teacher's, and T means the same for every pair. The weight is ours; its release has 9.
_base_ = './kd.py'
distill = dict(
    terms=dict(
        kd=dict(
            loss=dict(_delete_=True, type='StandardizedKLLoss', temperature=2.0, loss_weight=1.0)
        )
    )
)
