"""Frames of detection that count as unlabeled: nothing is known of the objects in them."""

from __future__ import annotations

from collections.abc import Mapping

from mmdet3d.datasets import Det3DDataset
from mmdet3d.registry import DATASETS
from mmengine.dataset import RepeatDataset

from ...base import UsageTypeError


@DATASETS.register_module()
class UnlabeledFrames(RepeatDataset):
    """Frames without boxes, which ``DistillDetector`` leaves out of the task's loss.

    An empty frame of any other data set says that nothing is there; of these nothing is known.
    Boxes that a frame has after its pipeline, those that ``ObjectSample`` pastes included, are
    taken away. Joined with labeled frames by mmengine's ``ConcatDataset``.

    Args:
        dataset: Config of a data set of detection (``Det3DDataset``) for training; its frames may
            have ``instances=[]`` and are all kept (``filter_empty_gt=False``).
        lazy_init: As for ``RepeatDataset``.

    Raises:
        UsageTypeError: If ``dataset`` is no config of a data set of detection.
    """

    def __init__(self, dataset: Mapping, lazy_init: bool = False) -> None:
        kind = DATASETS.get(dataset['type']) if isinstance(dataset, Mapping) else type(dataset)
        if not isinstance(dataset, Mapping) or not issubclass(kind, Det3DDataset):
            raise UsageTypeError(
                f'dataset of UnlabeledFrames must be a config of a Det3DDataset, but got '
                f'{kind.__name__}: UnlabeledScans is for segmentation'
            )
        dataset = DATASETS.build({**dataset, 'filter_empty_gt': False})
        super().__init__(dataset, times=1, lazy_init=lazy_init)

    def __getitem__(self, idx: int) -> dict:
        """A frame whose sample has no box and the metainfo ``unlabeled``."""
        packed = super().__getitem__(idx)
        sample = packed['data_samples']
        sample.gt_instances_3d = sample.gt_instances_3d[:0]
        sample.set_metainfo(dict(unlabeled=True))
        return packed
