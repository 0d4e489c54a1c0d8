_base_ = './pointpillars_hv_fpn_sbn-all_8xb4-2x_nus-3d.py'
model = dict(_delete_=True, type='CompressedDetector', detector=_base_.model, compression=4)
