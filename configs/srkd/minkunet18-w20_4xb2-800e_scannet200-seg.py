_base_ = [
    '../_base_/models/minkunet18_w20.py',
    '../_base_/datasets/scannet200-seg.py',
    '../_base_/schedules/onecycle-800e.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=200, ignore_index=200))
