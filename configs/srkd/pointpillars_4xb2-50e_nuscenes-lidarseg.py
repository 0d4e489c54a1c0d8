_base_ = [
    '../_base_/models/pointpillars_seg.py',
    '../_base_/datasets/nuscenes-lidarseg.py',
    '../_base_/schedules/onecycle-50e.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=16, ignore_index=16))
