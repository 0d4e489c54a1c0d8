# As PTv3 and SRKD train on streets (SRKD's half-width baseline on nuScenes: lr 0.002, 4 % warm-up,
# weight decay 0.005, attention blocks at a tenth of the rate): the cycle of onecycle-800e.py, shorter.
_base_ = './onecycle-800e.py'
lr = 0.002
max_epochs = 50
warm_up = 2  # 0.04 * 50
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=0.005))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warm_up),
    dict(_base_.param_scheduler[1], begin=warm_up, end=max_epochs, T_max=max_epochs - warm_up),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
