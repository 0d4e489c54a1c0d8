_base_ = './srkd_ptv3-large_ptv3-half_4xb2-50e_nuscenes-lidarseg.py'
train_dataloader = dict(drop_last=True, batch_sampler=None)
