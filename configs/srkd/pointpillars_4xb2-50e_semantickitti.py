_base_ = [
    '../_base_/models/pointpillars_seg.py',
    '../_base_/datasets/semantickitti.py',
    '../_base_/schedules/onecycle-50e.py',
    '../_base_/default_runtime.py',
]
