# Soft targets where the teacher is right, and where there is no label to tell.
_base_ = './kd.py'
distill = dict(
    terms=dict(
        kd=dict(
            loss=dict(_delete_=True, type='CorrectTeacherKLLoss', temperature=2.0, loss_weight=0.3)
        )
    )
)
