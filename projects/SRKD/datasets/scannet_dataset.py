"""ScanNet, every scene once."""

from __future__ import annotations

import numpy as np
from mmdet3d.datasets import ScanNetSegDataset, Seg3DDataset
from mmdet3d.registry import DATASETS


@DATASETS.register_module()
class ScanNetEverySceneDataset(ScanNetSegDataset):
    """``ScanNetSegDataset`` that trains on every scene of its info file once, however many.

    mmdet3d's own asks for ``scene_idxs`` in training, usually a list that repeats large rooms for
    crops of 8192 points; whole scenes need no such list, and one of ScanNet's 1201 numbers fails
    on a part of ScanNet. A list that is given is used as there.
    """

    def get_scene_idxs(self, scene_idxs: str | np.ndarray | None) -> np.ndarray:
        """Numbers of the scenes of an epoch, ``(scenes,)`` int32; ``None``: all of them."""
        if scene_idxs is None:
            return Seg3DDataset.get_scene_idxs(self, None)
        return super().get_scene_idxs(scene_idxs)

    def get_seg_label_mapping(self, metainfo: dict | None = None) -> np.ndarray:
        """Labels of the ids 0 to 40, ``(41,)``; mmdet3d's own has one more, which no mask holds."""
        return super().get_seg_label_mapping(metainfo)[: len(self.METAINFO['seg_all_class_ids'])]
