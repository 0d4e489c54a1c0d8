_base_ = 'mmdet3d::_base_/default_runtime.py'

custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)

# `default_hooks` is a dict and merges, so a method file may still define `custom_hooks`.
default_hooks = dict(
    reseed=dict(type='ReseedHook'),  # random numbers belong to the sample; exact resume
    checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2),
)
randomness = dict(seed=0)
