"""Tiny data sets in the layouts of ScanNet and SemanticKITTI, with labels that tests can count."""

import mmengine
import numpy as np
import pytest
from mmdet3d.datasets import ScanNetSegDataset, SemanticKittiDataset

KITTI_LABELS = {0: 19, 10: 0, 40: 8, 50: 12, 252: 0}


@pytest.fixture
def write_scannet(tmp_path):
    """A function: scene name -> raw (NYU40) labels of its points; builds the data set."""

    def write(labels: dict[str, list[int]], **kwargs):
        root = tmp_path / 'scannet'
        for folder in ('points', 'semantic_mask'):
            (root / folder).mkdir(parents=True, exist_ok=True)
        entries = []
        for name, label in labels.items():
            np.zeros((len(label), 6), np.float32).tofile(root / f'points/{name}.bin')
            np.array(label, np.int64).tofile(root / f'semantic_mask/{name}.bin')
            entries.append(
                dict(
                    lidar_points=dict(num_pts_feats=6, lidar_path=f'{name}.bin'),
                    pts_semantic_mask_path=f'{name}.bin',
                )
            )
        mmengine.dump(dict(metainfo={}, data_list=entries), root / 'infos_train.pkl')
        return open_scannet(root, **{'scene_idxs': np.arange(len(labels)), **kwargs})

    return write


def open_scannet(root, **kwargs):
    loading = [
        dict(type='LoadPointsFromFile', coord_type='DEPTH', use_color=True, load_dim=6, use_dim=6),
        dict(type='LoadAnnotations3D', with_bbox_3d=False, with_label_3d=False, with_seg_3d=True),
        dict(type='PointSegClassMapping'),
        dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask']),
    ]
    return ScanNetSegDataset(
        **{
            **dict(
                data_root=str(root),
                ann_file='infos_train.pkl',
                pipeline=loading,
                metainfo=dict(classes=ScanNetSegDataset.METAINFO['classes']),
                data_prefix=dict(pts='points', pts_semantic_mask='semantic_mask'),
            ),
            **kwargs,
        }
    )


@pytest.fixture
def write_semantickitti(tmp_path):
    """A function: (sequence, frame) -> raw labels, instance ids above 16 bits included."""

    def write(labels: dict[tuple[str, int], list[int]]):
        root = tmp_path / 'semantickitti'
        entries = []
        for (sequence, frame), label in labels.items():
            folder = root / 'sequences' / sequence
            (folder / 'labels').mkdir(parents=True, exist_ok=True)
            np.array(label, np.int32).tofile(folder / f'labels/{frame:06d}.label')
            entries.append(
                dict(
                    lidar_points=dict(
                        num_pts_feats=4, lidar_path=f'sequences/{sequence}/velodyne/{frame:06d}.bin'
                    ),
                    pts_semantic_mask_path=f'sequences/{sequence}/labels/{frame:06d}.label',
                )
            )
        mmengine.dump(dict(metainfo={}, data_list=entries), root / 'infos_train.pkl')
        loading = [
            dict(
                type='LoadAnnotations3D',
                with_bbox_3d=False,
                with_label_3d=False,
                with_seg_3d=True,
                seg_3d_dtype='np.int32',
                seg_offset=2**16,
                dataset_type='semantickitti',
            ),
            dict(type='PointSegClassMapping'),
        ]
        return SemanticKittiDataset(
            data_root=str(root),
            ann_file='infos_train.pkl',
            pipeline=loading,
            ignore_index=19,
            metainfo=dict(
                classes=SemanticKittiDataset.METAINFO['classes'],
                seg_label_mapping=KITTI_LABELS,
                max_label=259,
            ),
        )

    return write
