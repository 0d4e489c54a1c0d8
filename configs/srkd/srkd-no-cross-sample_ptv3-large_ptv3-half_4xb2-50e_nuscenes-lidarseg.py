_base_ = './srkd_ptv3-large_ptv3-half_4xb2-50e_nuscenes-lidarseg.py'
model = dict(terms=dict(cross_sample=None))
