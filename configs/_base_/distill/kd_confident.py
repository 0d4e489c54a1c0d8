# Soft targets that weigh as much as the teacher is sure of them.
_base_ = './kd.py'
distill = dict(
    terms=dict(
        kd=dict(loss=dict(_delete_=True, type='ConfidenceKLLoss', temperature=2.0, loss_weight=0.3))
    )
)
