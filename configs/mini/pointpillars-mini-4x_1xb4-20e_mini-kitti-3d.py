_base_ = './pointpillars-mini_1xb4-20e_mini-kitti-3d.py'
model = dict(_delete_=True, type='CompressedDetector', detector=_base_.model, compression=4)
