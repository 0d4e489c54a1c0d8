"""A tiny nuScenes root with lidarseg as mmdet3d 1.4 writes it, and a config that reads it."""

from pathlib import Path

import mmengine
import numpy as np
from toy import minkunet

CONFIG = Path(__file__).parents[1] / 'configs/_base_/datasets/nuscenes-lidarseg.py'
IMPORTS = [
    'projects.SRKD',
    'projects.SRKD.datasets.nuscenes_lidarseg_dataset',
    'projects.SRKD.evaluation',
]
RAW = np.array([0, 1, 9, 14, 17, 24, 26, 28, 30, 31])  # noise, animal, ..., ego


def write_nuscenes(root: Path, splits=(('train', 2), ('val', 2)), points: int = 300) -> Path:
    """Write scans whose points lie at a height that tells their raw label; returns the root."""
    rng = np.random.default_rng(0)
    folders = [root / name for name in ('samples/LIDAR_TOP', 'lidarseg/v1.0-trainval')]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for split, scans in splits:
        infos = []
        for i in range(scans):
            label = rng.choice(RAW, points)
            cloud = np.hstack(
                [
                    rng.uniform(-4, 4, (points, 2)),
                    label[:, None] / 10,
                    rng.integers(0, 256, (points, 1)),  # intensity
                    rng.integers(0, 32, (points, 1)),  # ring
                ]
            ).astype(np.float32)
            scan, mask = f'{split}{i}__LIDAR_TOP.pcd.bin', f'{split}{i}_lidarseg.bin'
            cloud.tofile(folders[0] / scan)
            label.astype(np.uint8).tofile(folders[1] / mask)
            infos.append(
                dict(
                    token=f'{split}{i}',
                    timestamp=1.0 + i,
                    lidar_points=dict(num_pts_feats=5, lidar_path=scan),
                    pts_semantic_mask_path=mask,
                    instances=[],
                )
            )
        write_infos(root / f'nuscenes_infos_{split}.pkl', infos)
    return root


def write_infos(path: Path, infos: list[dict]) -> None:
    """Write an info file of mmdet3d 1.4."""
    metainfo = dict(dataset='nuscenes', version='v1.0-mini')
    mmengine.dump(dict(metainfo=metainfo, data_list=infos), path)


def write_nuscenes_config(folder: Path) -> Path:
    """Write a root below ``folder`` and a config of a tiny network on it; returns its path."""
    root = write_nuscenes(folder / 'nuscenes')
    model = minkunet(num_classes=16, voxel_size=0.5)
    model['backbone']['in_channels'] = 4
    loader = dict(num_workers=0, persistent_workers=False, dataset=dict(data_root=str(root)))
    settings = dict(
        default_scope='mmdet3d',
        custom_imports=dict(imports=IMPORTS, allow_failed_imports=False),
        model=model,
        train_dataloader=loader,
        val_dataloader=loader,
        test_dataloader=loader,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=1),
        val_cfg=dict(type='ValLoop'),
        test_cfg=dict(type='TestLoop'),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.01)),
    )
    lines = [f'_base_ = [{str(CONFIG)!r}]', *(f'{key} = {v!r}' for key, v in settings.items())]
    path = folder / 'nuscenes.py'
    path.write_text('\n'.join(lines) + '\n')
    return path
