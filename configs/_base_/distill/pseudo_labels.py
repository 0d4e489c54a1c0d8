# Hard labels of the teacher where it is surer than the threshold, on points without a label
# (docs/few_labels.md), beside soft targets of weight 1 on all points; inert where all have labels.
_base_ = './kd.py'
distill = dict(
    terms=dict(
        kd=dict(loss=dict(loss_weight=1.0)),
        pseudo=dict(
            student_tap='decode_head.conv_seg',
            loss=dict(type='PseudoLabelLoss', threshold=0.9, loss_weight=1.0),
        ),
    )
)
