"""Pictures of segmented scenes while testing, without a display."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .picture import draw_scene


@HOOKS.register_module()
class SegmentationPictureHook(Hook):
    """Draw every tested scene from above: ground truth, prediction, errors.

    mmdet3d's ``Det3DVisualizationHook`` needs open3d and a window even to save a drawing.

    Args:
        folder: Where the pictures go, below the log folder of the run.
        ceiling: Leave out points higher than this above the lowest one, metres.
    """

    def __init__(self, folder: str, ceiling: float | None = None) -> None:
        self.folder = folder
        self.ceiling = ceiling

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Draw the scenes of a batch into ``<scene>.png``."""
        about = runner.test_dataloader.dataset.metainfo
        for sample in outputs:
            path = Path(sample.lidar_path)
            cloud = np.fromfile(path, dtype=np.float32).reshape(-1, sample.num_pts_feats)
            labels = sample.pred_pts_seg.pts_semantic_mask.cpu().numpy()
            known = sample.get('eval_ann_info') or {}
            truth = known.get('pts_semantic_mask', np.full(len(labels), -1))
            draw_scene(
                cloud[:, :3],
                truth,
                {'prediction': labels},
                about['classes'],
                about['palette'],
                Path(runner.log_dir) / self.folder / f'{path.stem}.png',
                title=path.stem,
                ceiling=self.ceiling,
            )
