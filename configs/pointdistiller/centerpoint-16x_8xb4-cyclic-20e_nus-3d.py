_base_ = './centerpoint_pillar02_second_secfpn_head-circlenms_8xb4-cyclic-20e_nus-3d.py'
model = dict(_delete_=True, type='CompressedDetector', detector=_base_.model, compression=16)
