"""Whether the pipeline of the training hands its points and labels on to the network."""

from __future__ import annotations

from collections.abc import Mapping

from mmdet3d.datasets import Det3DDataset, Seg3DDataset
from mmdet3d.structures import Det3DDataSample
from mmengine.runner import Runner

from ..base import UsageError, seeded
from .built import built_datasets, built_loops

# Kind of a data set -> part of a sample, keys of the packing step and their names in that part.
_LABELS = {
    Seg3DDataset: ('gt_pts_seg', {'pts_semantic_mask': 'pts_semantic_mask'}),
    Det3DDataset: ('gt_instances_3d', {'gt_bboxes_3d': 'bboxes_3d', 'gt_labels_3d': 'labels_3d'}),
}  # fmt: skip


def check_training_labels(runner: Runner) -> None:
    """Refuse a training whose first sample has no points or no labels.

    mmdet3d's packing step leaves out what it does not find and packs what its keys name alone, so
    that the network asks in vain.

    Raises:
        UsageError: Naming the key that is missing.
    """
    loops = dict(built_loops(runner))
    datasets = [dataset for split, dataset in built_datasets(runner) if split == 'train']
    if 'train' not in loops or not datasets or len(datasets[0]) == 0:
        return
    part, labels = next((_LABELS[kind] for kind in _LABELS if isinstance(datasets[0], kind)),
                        (None, {}))  # fmt: skip
    try:
        with seeded(0):  # what the run draws later is as if nobody had looked
            sample = loops['train'].dataloader.dataset[0]
    except AttributeError as error:  # mmdet3d's data sets of detection count the labels themselves
        if "'labels_3d'" not in str(error):
            raise
        points = datasets[0].get_data_info(0).get('lidar_points') or {}
        raise _lacking(points.get('lidar_path'), ['gt_labels_3d']) from None
    if not isinstance(sample, Mapping) or not isinstance(
        sample.get('data_samples'), Det3DDataSample
    ):
        return
    there = getattr(sample['data_samples'], part, None) if part else None
    lacking = [key for key, name in labels.items() if there is None or name not in there]
    if 'points' not in (sample.get('inputs') or {}):
        lacking = ['points', *lacking]
    if lacking:
        raise _lacking(sample['data_samples'].metainfo.get('lidar_path'), lacking)


def _lacking(path: str | None, keys: list[str]) -> UsageError:
    return UsageError(
        f'the pipeline of train_dataloader makes of {path or "the first scan"} a sample without '
        f'{" and ".join(keys)}: expected a step that loads them (LoadPointsFromFile, '
        'LoadAnnotations3D) and their names in keys of Pack3DDetInputs'
    )
