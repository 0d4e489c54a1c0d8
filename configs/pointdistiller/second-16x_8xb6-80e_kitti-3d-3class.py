_base_ = './second_hv_secfpn_8xb6-80e_kitti-3d-3class.py'
model = dict(_delete_=True, type='CompressedDetector', detector=_base_.model, compression=16)
