# AdamW and one cycle of the learning rate, as PTv3 and SRKD train on ScanNet (SRKD's half-width
# baseline: lr 0.006, 5 % warm-up, weight decay 0.05, attention blocks at a tenth of the rate).
# mmengine's OneCycleLR knows one maximum for all parameter groups, so the cycle is written as warm-up
# and cosine, which keep the groups' ratio: from lr / 10 up to lr, then down to lr / 10 / 1000.
# The warm-up is linear where OneCycleLR's is a cosine.
lr = 0.006
max_epochs = 800
warm_up = 40  # 0.05 * 800
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=lr, weight_decay=0.05),
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
train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=10)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(enable=False, base_batch_size=8)
