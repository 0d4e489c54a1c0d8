_base_ = [
    '../_base_/models/ptv3_mini.py',
    '../_base_/datasets/mini-scannet-seg.py',
    '../_base_/schedules/mini-20e.py',
    '../_base_/mini_runtime.py',
]
optim_wrapper = dict(optimizer=dict(lr=0.002))  # at the student's rate it learns less than that
