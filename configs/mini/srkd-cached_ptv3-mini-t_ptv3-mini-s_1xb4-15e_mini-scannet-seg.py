# SRKD without running the teacher: its words on the clean rooms are read from a cache, which
# `python tools/cache_teacher.py` with this config writes (docs/cache.md).
_base_ = './srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
model = dict(
    student=dict(data_preprocessor=dict(identity_columns=True)),
    teacher=dict(cache='work_dirs/teacher_cache'),
)
identity = dict(type='AddPointIdentity')
train_pipeline = [_base_.load[0], identity, *_base_.train_pipeline[1:]]
test_pipeline = [_base_.load[0], identity, *_base_.test_pipeline[1:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
