_base_ = [
    '../_base_/models/ptv3_mini.py', '../_base_/datasets/mini-scannet-seg.py',
    '../_base_/schedules/mini-20e.py', '../_base_/mini_runtime.py']
