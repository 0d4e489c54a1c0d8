# Logits alone (Hinton et al. 2015): T^2 KL(teacher || student) on every voxel the teacher covers.
# The weight is that of srkd.py, so that the two differ in the relation terms alone.
distill = dict(
    terms=dict(
        kd=dict(
            student_tap='decode_head.conv_seg',
            loss=dict(type='SoftTargetKLLoss', temperature=2.0, loss_weight=0.3),
        )
    )
)
custom_hooks = [dict(type='DistillCheckpointHook')]
