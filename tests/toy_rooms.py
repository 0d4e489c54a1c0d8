"""Two tiny rooms on disk in ScanNet's mmdet3d layout, and a config that reads them."""

import pickle

import numpy as np
from toy import minkunet

CLASS_IDS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
CONFIG = """
default_scope = 'mmdet3d'
custom_imports = dict(imports=['projects.SRKD'], allow_failed_imports=False)
load = [
    dict(type='LoadPointsFromFile', coord_type='DEPTH', use_color=True, load_dim=6,
         use_dim=[0, 1, 2, 3, 4, 5]),
    dict(type='LoadAnnotations3D', with_bbox_3d=False, with_label_3d=False, with_seg_3d=True),
    dict(type='PointSegClassMapping'),
    dict(type='NormalizePointsColor', color_mean=None)]
pack = [dict(type='Pack3DDetInputs', keys=['points'])]
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScanNetSegDataset', data_root={root!r}, ann_file='infos.pkl', test_mode=True,
        data_prefix=dict(pts='points', pts_semantic_mask='semantic_mask'),
        metainfo=dict(classes={classes!r}), pipeline=load + pack, ignore_index=20))
test_evaluator = dict(type='SegMetric')
test_cfg = dict(type='TestLoop')
tta_model = dict(type='Seg3DTTAModel')
tta_pipeline = load + [dict(type='TestTimeAug', transforms=[
    [dict(type='RandomFlip3D', sync_2d=False, flip_ratio_bev_horizontal=h) for h in (0., 1.)],
    pack])]
model = {model!r}
"""


def write_rooms(folder, sizes=(500, 300)):
    """Write one room per size: a floor, a wall and some unlabeled points."""
    from mmdet3d.datasets import ScanNetSegDataset

    rng = np.random.default_rng(0)
    rooms = []
    for i, size in enumerate(sizes):
        label = rng.choice([0, 1, 2], size)  # ScanNet's ids of nothing, wall, floor
        coord = rng.uniform(0, 3, (size, 3)) * np.where(label[:, None] == 1, [0, 1, 1], [1, 1, 0])
        cloud = np.hstack([coord, rng.uniform(0, 255, (size, 3))]).astype(np.float32)
        for name, values in (('points', cloud), ('semantic_mask', label.astype(np.int64))):
            (folder / name).mkdir(parents=True, exist_ok=True)
            values.tofile(folder / name / f'{i}.bin')
        points = dict(num_pts_feats=6, lidar_path=f'{i}.bin')
        rooms.append(dict(lidar_points=points, pts_semantic_mask_path=f'{i}.bin'))
    content = dict(metainfo=dict(DATASET='ScanNet'), data_list=rooms)
    (folder / 'infos.pkl').write_bytes(pickle.dumps(content))
    return ScanNetSegDataset.METAINFO['classes']


def write_room_config(folder, model=None, name='rooms.py'):
    """Write rooms below ``folder`` and a config of a tiny network on them; returns its path."""
    classes = write_rooms(folder / 'rooms')
    model = model or minkunet(num_classes=20)
    text = CONFIG.format(root=str(folder / 'rooms'), classes=classes, model=model)
    (folder / name).write_text(text)
    return folder / name
