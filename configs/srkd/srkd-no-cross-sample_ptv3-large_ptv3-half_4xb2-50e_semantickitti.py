_base_ = './srkd_ptv3-large_ptv3-half_4xb2-50e_semantickitti.py'
model = dict(terms=dict(cross_sample=None))
