_base_ = [
    '../_base_/models/pointpillars_mini_car.py',
    '../_base_/datasets/kitti-frames-car.py',
    '../_base_/schedules/mini-det-20e.py',
    '../_base_/mini_runtime.py',
]
