_base_ = './centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py'
model = dict(_delete_=True, type='CompressedDetector', detector=_base_.model, compression=4)
