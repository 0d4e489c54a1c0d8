# KITTI's optimizer (mmdet3d's cyclic schedules) on the schedule of the other mini trainings.
_base_ = './mini-20e.py'
optim_wrapper = dict(
    optimizer=dict(lr=0.003, betas=(0.95, 0.99), weight_decay=0.01), clip_grad=dict(max_norm=10.0)
)
