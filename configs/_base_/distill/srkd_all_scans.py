# SRKD where most scans have no label: the cross-sample term draws its points among all, where
# srkd.py draws among those with a label and has none to compare in most batches.
_base_ = './srkd.py'
distill = dict(terms=dict(cross_sample=dict(loss=dict(valid_only=False))))
