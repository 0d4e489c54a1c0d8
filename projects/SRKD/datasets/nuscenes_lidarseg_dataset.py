"""nuScenes-lidarseg, the data set class that MMDetection3D lacks."""

from __future__ import annotations

import os.path as osp
import re
from collections.abc import Mapping

from mmdet3d.registry import DATASETS

from ..base import UsageError
from .label_map import label_map_by_name
from .label_map_dataset import LabelMapSegDataset

# The 32 raw ids that the nuScenes-lidarseg challenge merges into 16 classes; the others (noise,
# animals, personal mobility, strollers, wheelchairs, debris, push-and-pull objects, bicycle racks,
# emergency vehicles, other static, the ego vehicle) are not scored.
RAW_CLASSES = {
    2: 'pedestrian', 3: 'pedestrian', 4: 'pedestrian', 6: 'pedestrian', 9: 'barrier',
    12: 'traffic_cone', 14: 'bicycle', 15: 'bus', 16: 'bus', 17: 'car',
    18: 'construction_vehicle', 21: 'motorcycle', 22: 'trailer', 23: 'truck',
    24: 'driveable_surface', 25: 'other_flat', 26: 'sidewalk', 27: 'terrain', 28: 'manmade',
    30: 'vegetation',
}  # fmt: skip
MAX_LABEL = 31
_INSIDE = re.compile(r'(?:^|/)((?:samples|sweeps|lidarseg)/.*)')  # folders of the data root


@DATASETS.register_module()
class NuScenesLidarSegDataset(LabelMapSegDataset):
    """nuScenes key frames with point-wise labels, from mmdet3d's info files.

    Info files come from ``tools/dataset_converters/nuscenes_infos.py``, or ``tools/create_data.py
    nuscenes`` of mmdet3d >= 1.0, run where nuScenes-lidarseg is unpacked too; else they name no
    masks. Paths of points and masks may be
    file names below ``data_prefix`` (what mmdet3d 1.4 writes), start at one of nuScenes' own
    folders with anything before it (what some forks write), or be absolute. ``lidar_sweeps`` are
    placed below ``data_prefix['sweeps']`` where given, as ``LoadPointsFromMultiSweeps`` needs them.

    A test split has no labels: ``test_mode=True, load_eval_anns=False`` takes its info file, and
    ``UnlabeledScans`` around this data set trains on such scans.

    Args:
        metainfo: ``classes`` picks some of the 16, the others become ``ignore_index``;
            ``seg_label_mapping`` and ``max_label`` replace the challenge's map.
        data_prefix: ``pts``, ``pts_semantic_mask``, ``sweeps``: folders below ``data_root``.
        kwargs: As for ``Seg3DDataset``.

    Raises:
        UsageError: If the info file is of an older mmdet3d or names no masks.
    """

    METAINFO = {
        'classes': (
            'barrier', 'bicycle', 'bus', 'car', 'construction_vehicle', 'motorcycle', 'pedestrian',
            'traffic_cone', 'trailer', 'truck', 'driveable_surface', 'other_flat', 'sidewalk',
            'terrain', 'manmade', 'vegetation'),
        'palette': [
            [112, 128, 144], [220, 20, 60], [255, 127, 80], [255, 158, 0], [233, 150, 70],
            [255, 61, 99], [0, 0, 230], [47, 79, 79], [255, 140, 0], [255, 99, 71],
            [0, 207, 191], [175, 0, 75], [75, 0, 75], [112, 180, 60], [222, 184, 135],
            [0, 175, 0]],
        'seg_valid_class_ids': tuple(range(16)),
        'seg_all_class_ids': tuple(range(16)),
    }  # fmt: skip

    def __init__(
        self,
        metainfo: Mapping | None = None,
        ignore_index: int | None = None,
        data_prefix: Mapping = dict(  # noqa: B006
            pts='samples/LIDAR_TOP', pts_semantic_mask='lidarseg/v1.0-trainval'
        ),
        **kwargs,
    ) -> None:
        metainfo = dict(metainfo or {})
        classes = metainfo.setdefault('classes', self.METAINFO['classes'])
        if 'seg_label_mapping' not in metainfo:
            ignored = len(classes) if ignore_index is None else ignore_index
            metainfo['max_label'] = MAX_LABEL
            metainfo['seg_label_mapping'] = label_map_by_name(
                RAW_CLASSES, classes, ignored, MAX_LABEL, type(self).__name__
            )
        super().__init__(
            metainfo=metainfo, ignore_index=ignore_index, data_prefix=dict(data_prefix), **kwargs
        )

    def load_data_list(self) -> list[dict]:
        """Read the info file."""
        infos = super().load_data_list()
        if not self.load_eval_anns:
            return infos
        bare = [i for i, info in enumerate(infos) if not info.get('pts_semantic_mask_path')]
        if bare:
            raise UsageError(
                f'info file {self.ann_file} names no pts_semantic_mask_path in {len(bare)} of '
                f'{len(infos)} entries (the first is entry {bare[0]}): unpack nuScenes-lidarseg '
                f'into {self.data_root}, then write it with tools/dataset_converters/'
                f'nuscenes_infos.py {self.data_root}, or set test_mode=True, load_eval_anns=False '
                'for a split without labels (to train on: UnlabeledScans)'
            )
        return infos

    def parse_data_info(self, info: dict) -> dict:
        """Turn the paths of an entry into paths from here."""
        points, mask = info['lidar_points'], info.get('pts_semantic_mask_path')
        lidar = points['lidar_path']
        info = super().parse_data_info(info)
        points['lidar_path'] = info['lidar_path'] = self._place('pts', lidar)
        if mask:
            info['pts_semantic_mask_path'] = self._place('pts_semantic_mask', mask)
        if 'sweeps' in self.data_prefix:
            for sweep in info.get('lidar_sweeps', ()):
                path = sweep['lidar_points']['lidar_path']
                sweep['lidar_points']['lidar_path'] = self._place('sweeps', path)
        return info

    def _place(self, prefix: str, path: str) -> str:
        inside = None if osp.isabs(path) or '://' in path else _INSIDE.search(path)
        if inside:
            return osp.join(self.data_root or '', inside[1])
        return osp.join(self.data_prefix.get(prefix, ''), path)
