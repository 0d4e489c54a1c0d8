_base_ = './ptv3-base_4xb2-50e_nuscenes-lidarseg.py'
model = _base_.sizes.half
