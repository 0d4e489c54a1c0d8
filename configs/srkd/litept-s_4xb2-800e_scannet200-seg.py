_base_ = [
    '../_base_/models/litept_s.py',
    '../_base_/datasets/scannet200-seg.py',
    '../_base_/schedules/onecycle-800e.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=200, ignore_index=200))
