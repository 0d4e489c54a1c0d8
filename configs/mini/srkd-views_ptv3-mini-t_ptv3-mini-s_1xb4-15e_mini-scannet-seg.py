# SRKD without running the teacher, which has seen what the student sees: four augmented views of
# each room, cached by `python tools/cache_teacher.py` with this config (docs/cache.md).
_base_ = './srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
model = dict(teacher=dict(cache='work_dirs/teacher_views'))
augment = [*_base_.augment, _base_.normalize, _base_.train_pipeline[-1]]
train_pipeline = [*_base_.load, dict(type='ReplayViews', views=4, transforms=augment)]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
