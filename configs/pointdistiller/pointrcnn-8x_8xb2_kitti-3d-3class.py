# CUDA only: furthest point sampling and ball query of mmcv have no CPU kernel.
_base_ = './point-rcnn_8xb2_kitti-3d-3class.py'
model = dict(_delete_=True, type='CompressedDetector', detector=_base_.model, compression=8)
