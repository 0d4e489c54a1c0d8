# mini-20e in one and a half times its epochs.
_base_ = './mini-20e.py'
max_epochs = 30
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], end=max_epochs, T_max=max_epochs - _base_.warm_up),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
