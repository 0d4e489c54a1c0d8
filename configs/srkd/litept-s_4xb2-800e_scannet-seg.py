_base_ = [
    '../_base_/models/litept_s.py',
    '../_base_/datasets/scannet-seg.py',
    '../_base_/schedules/onecycle-800e.py',
    '../_base_/default_runtime.py',
]
