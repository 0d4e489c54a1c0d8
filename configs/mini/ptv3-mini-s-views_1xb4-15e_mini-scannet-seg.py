# The student alone on four views of each room: what `srkd-views` is to be compared with.
_base_ = './ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
augment = [*_base_.augment, _base_.normalize, _base_.train_pipeline[-1]]
train_pipeline = [*_base_.load, dict(type='ReplayViews', views=4, transforms=augment)]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
