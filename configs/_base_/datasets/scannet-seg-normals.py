# ScanNet v2 with normals: points of nine columns, xyz, rgb (in [0, 1]) and normal. Networks choose
# theirs by ChosenInputsPreprocessor. Normals: data/scannet/normals, else estimated (docs/official_weights.md).
_base_ = './scannet-seg.py'
load = [*_base_.load, dict(type='AddNormals')]
mixed = dict(type='Mix3D', pre_transform=[*load, *_base_.recipe], p=0.8)
train_pipeline = [*load, *_base_.recipe, mixed, *_base_.train_pipeline[-3:]]
test_pipeline = [*load, *_base_.test_pipeline[-3:]]
tta_pipeline = [*load, *_base_.tta_pipeline[-3:]]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
