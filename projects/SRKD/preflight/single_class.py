"""Networks that are asked to tell one class from nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmengine.config import Config

from ..base import UsageError
from ..distill.teacher import teacher_config


def check_more_than_one_class(cfg: Config, splits: Sequence[str]) -> None:
    """Refuse a segmentation into one class, whose loss is 0 and whose score is 1 from the start.

    Detectors may have one class: boxes differ from their background.

    Raises:
        UsageError: If a softmax runs over a single class.
    """
    model = cfg.get('model')
    if not isinstance(model, Mapping) or 'type' not in model:
        return
    heads = teacher_config(model).get('decode_head') or ()
    for head in heads if isinstance(heads, Sequence) else [heads]:
        sigmoid = (head.get('loss_decode') or {}).get('use_sigmoid', False)
        if head.get('num_classes') == 1 and not sigmoid:
            raise UsageError(
                'decode_head.num_classes=1: a softmax over one class is 1 everywhere and learns '
                "nothing, expected at least 2 classes, for example with an 'other' beside it"
            )
