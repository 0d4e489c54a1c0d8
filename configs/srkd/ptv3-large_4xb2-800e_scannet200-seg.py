_base_ = './ptv3-base_4xb2-800e_scannet200-seg.py'
model = _base_.sizes.large
