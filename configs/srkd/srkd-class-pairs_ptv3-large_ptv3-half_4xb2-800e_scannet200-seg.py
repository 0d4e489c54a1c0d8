_base_ = './srkd_ptv3-large_ptv3-half_4xb2-800e_scannet200-seg.py'
train_dataloader = dict(batch_sampler=dict(group_size=2))
