_base_ = './minkunet18-w20_4xb2-800e_scannet-seg.py'
model = _base_.sizes.minkunet34_w20
