_base_ = './minkunet18-w20_4xb2-50e_nuscenes-lidarseg.py'
model = _base_.sizes.minkunet18_w16
