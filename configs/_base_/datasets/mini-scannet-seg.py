# The procedural rooms of `tools/make_mini_data.py scannet`: ScanNet's layout at another place, so
# only data_root changes, and loaders sized for two CPU cores.
_base_ = './scannet-seg.py'
data_root = 'data/mini_scannet/'
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        data_root=data_root, scene_idxs='seg_info/train_resampled_scene_idxs.npy'))
val_dataloader = dict(num_workers=1, dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
