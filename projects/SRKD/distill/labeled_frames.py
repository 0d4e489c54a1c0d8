"""The task's loss of some frames of a batch, where nothing is known of the others.

Shape letters: B samples.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmdet3d.models.dense_heads import Anchor3DHead, CenterHead
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ..base import UsageError


def is_labeled(sample) -> bool:
    """Whether a data sample's boxes are all there are; see ``UnlabeledFrames``."""
    return not sample.metainfo.get('unlabeled', False)


@contextmanager
def loss_of_labeled(detector: nn.Module, labeled: Sequence[bool]) -> Iterator[None]:
    """Have a detector's head, which sees all frames, compute its loss over some of them.

    Without any the loss is ``loss_unlabeled``, a zero in the graph.

    Args:
        detector: With a head of anchors or centers.
        labeled: Of every frame of the batch, B.

    Raises:
        UsageError: If the detector has no such head.
    """
    heads = (getattr(detector, name, None) for name in ('bbox_head', 'pts_bbox_head'))
    head = next((head for head in heads if isinstance(head, (Anchor3DHead, CenterHead))), None)
    if head is None:
        raise UsageError(
            f'the student of a batch with unlabeled frames must have a head of anchors or centers '
            f'(VoxelNet, MVXFasterRCNN, CenterPoint), but got a {type(detector).__name__}: leave '
            'UnlabeledFrames out, or teach it by teacher_boxes'
        )
    rows = [i for i, known in enumerate(labeled) if known]
    original = head.loss_by_feat

    def loss_by_feat(*args) -> dict:
        # predictions come first, then lists of what is known of each frame
        first = next(i for i, arg in enumerate(args) if _of_frames(arg))
        if not rows:
            return dict(loss_unlabeled=sum(each[:0].sum() for each in _tensors(args[:first])))
        predicted = [_taken(arg, torch.tensor(rows)) for arg in args[:first]]
        return original(*predicted, *([arg[i] for i in rows] for arg in args[first:]))

    head.loss_by_feat = loss_by_feat
    try:
        yield
    finally:
        del head.loss_by_feat


def _of_frames(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], InstanceData)


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors of nested lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _tensors(each)


def _taken(value: Any, rows: Tensor) -> Any:
    """The same nested lists and dicts with some frames of every tensor (B, ...)."""
    if isinstance(value, Tensor):
        return value[rows.to(value.device)]
    if isinstance(value, dict):
        return {key: _taken(each, rows) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_taken(each, rows) for each in value)
    return value
