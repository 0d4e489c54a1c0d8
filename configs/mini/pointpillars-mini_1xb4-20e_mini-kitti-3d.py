_base_ = [
    '../_base_/models/pointpillars_mini.py',
    '../_base_/datasets/mini-kitti-3d.py',
    '../_base_/schedules/mini-det-20e.py',
    '../_base_/mini_runtime.py',
]
