_base_ = [
    '../_base_/models/ptv3_mini.py',
    '../_base_/datasets/mini-scannet-seg.py',
    '../_base_/schedules/mini-15e.py',
    '../_base_/mini_runtime.py',
]
model = _base_.sizes.s
