# As PTv3 and SRKD train on streets (SRKD's half-width baseline on nuScenes: lr 0.002, 4 % warm-up,
# weight decay 0.005, attention blocks at a tenth of the rate); written as in onecycle-800e.py.
lr = 0.002
max_epochs = 50
warm_up = 2  # 0.04 * 50
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=lr, weight_decay=0.005),
    paramwise_cfg=dict(custom_keys={'block': dict(lr_mult=0.1)}),
)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.1,
        begin=0,
        end=warm_up,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs - warm_up,
        eta_min_ratio=1e-4,
        begin=warm_up,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=5)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=8)
