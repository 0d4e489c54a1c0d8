_base_ = './minkunet18-w20_4xb2-800e_scannet200-seg.py'
model = _base_.sizes.minkunet18_w16
