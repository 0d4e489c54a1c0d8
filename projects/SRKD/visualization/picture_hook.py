"""Pictures of tested scans, without a display."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmdet3d.registry import HOOKS
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .picture import save
from .top_view import top_view


@HOOKS.register_module()
class PictureHook(Hook):
    """Draw every tested scan from above: ground truth, prediction, errors.

    mmdet3d's ``Det3DVisualizationHook`` needs open3d and a window even to save a drawing, and gives
    scans of the same file name in two folders one picture. Here a picture has the path of its scan
    below the folder that all scans of the data set share.

    Args:
        task: ``'lidar_det'`` or ``'lidar_seg'``.
        folder: Where the pictures go, below the log folder of the run.
        score_thr: Least score of a drawn box.
        ceiling: Of a segmented scene, leave out points higher than this above the lowest, meters.
    """

    def __init__(
        self, task: str, folder: str, score_thr: float = 0.3, ceiling: float | None = None
    ) -> None:
        self.task, self.folder = task, folder
        self.score_thr, self.ceiling = score_thr, ceiling

    def before_test_epoch(self, runner: Runner) -> None:
        """Look for the folder that all scans share."""
        self.shared = shared_folder(runner.test_dataloader.dataset)

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence | None = None,
    ) -> None:
        """Draw the scans of a batch."""
        meta = runner.test_dataloader.dataset.metainfo
        for sample in outputs:
            scan = Path(sample.lidar_path).absolute()
            name = scan.relative_to(self.shared).with_suffix('.png')
            cloud = np.frombuffer(get(sample.lidar_path), np.float32)
            figure = top_view(
                self.task,
                cloud.reshape(-1, sample.num_pts_feats),
                sample,
                meta,
                title=str(name.with_suffix('')),
                min_score=self.score_thr,
                ceiling=self.ceiling,
            )
            save(figure, Path(runner.log_dir) / self.folder / name)


def shared_folder(dataset: Any) -> Path:
    """The deepest folder with all scans of a data set in it."""
    paths = (dataset.get_data_info(i)['lidar_points']['lidar_path'] for i in range(len(dataset)))
    return Path(os.path.commonpath({os.path.dirname(os.path.abspath(path)) for path in paths}))
