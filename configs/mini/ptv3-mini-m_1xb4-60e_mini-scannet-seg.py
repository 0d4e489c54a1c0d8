# The teacher of size m is taught on other rooms than any student:
# tools/make_mini_data.py scannet --scenes 400 --val-scenes 60 --seed 2 --out data/mini_scannet_teacher
_base_ = [
    '../_base_/models/ptv3_mini.py',
    '../_base_/datasets/mini-scannet-seg.py',
    '../_base_/schedules/mini-60e.py',
    '../_base_/mini_runtime.py',
]
data_root = 'data/mini_scannet_teacher/'
model = _base_.sizes.m
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.002))  # at the student's rate it learns less than that
