_base_ = [
    './ptv3-mini-s_1xb4-60e_mini-scannet-seg-4labeled.py',
    '../_base_/distill/srkd_all_scans.py',
]
model = dict(
    _delete_=True,
    type='DistillSegmentor',
    student=_base_.model,
    teacher=dict(config='{{ fileDirname }}/ptv3-mini-m_1xb4-60e_mini-scannet-seg.py'),
    super_voxels=_base_.super_voxels,
    terms=_base_.distill.terms,
)
train_dataloader = dict(dataset=dict(type='PartialLabels'), **_base_.labeled_batches)
