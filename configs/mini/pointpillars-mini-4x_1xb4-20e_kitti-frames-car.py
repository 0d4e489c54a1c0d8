_base_ = './pointpillars-mini_1xb4-20e_kitti-frames-car.py'
model = dict(_delete_=True, type='CompressedDetector', detector=_base_.model, compression=4)
