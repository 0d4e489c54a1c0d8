_base_ = './srkd_ptv3-large_ptv3-half_4xb2-800e_scannet200-seg.py'
model = dict(terms=dict(affinity_voxel=None))
