"""Which classes a data set numbers, read from its config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmdet3d.datasets.transforms import DataBaseSampler, ObjectNameFilter
from mmdet3d.registry import DATASETS
from mmengine.dataset import BaseDataset

from ..base import UsageError

_NUMBERING = (DataBaseSampler, ObjectNameFilter)  # transforms with a list of classes of their own


def inner_datasets(dataset: Any) -> Iterator[Mapping]:
    """Configs of the data sets inside wrappers (``RepeatDataset``, ``CBGSDataset``, ...)."""
    if not isinstance(dataset, Mapping):
        return
    inner = dataset.get('datasets') or [dataset.get('dataset')]
    if inner[0] is None:
        yield dataset
    for part in inner:
        yield from inner_datasets(part)


def class_names(dataset: Mapping) -> tuple[str, ...] | None:
    """Classes of one data set's config, in the order of its labels.

    Returns:
        Those of its ``metainfo``, else those its class comes with, else None.
    """
    metainfo = dataset.get('metainfo') or {}
    names = metainfo.get('classes') or metainfo.get('CLASSES')
    if not names:
        kind = dataset.get('type')
        kind = DATASETS.get(kind) if isinstance(kind, str) else kind
        names = getattr(kind, 'METAINFO', {}).get('classes')
    return tuple(names) if names and not isinstance(names, str) else None


def check_transform_classes(dataset: BaseDataset) -> None:
    """Refuse transforms that number classes by another list than their data set.

    Raises:
        UsageError: With both lists.
    """
    names = tuple(dataset.metainfo.get('classes') or ())
    for transform in dataset.pipeline.transforms if names else ():
        owner = getattr(transform, 'db_sampler', transform)
        listed = owner.classes if isinstance(owner, _NUMBERING) else names
        if tuple(listed) != names:
            raise UsageError(
                f'classes of {type(owner).__name__} in the pipeline is {", ".join(listed)}, but '
                f'metainfo.classes of {type(dataset).__name__} is {", ".join(names)}: labels are '
                'numbers of one list, in one order'
            )


def training_classes(config: Mapping) -> tuple[str, ...] | None:
    """Classes that a whole config trains on, None if it does not say."""
    loader = config.get('train_dataloader') or {}
    found = (class_names(each) for each in inner_datasets(loader.get('dataset')))
    return next((names for names in found if names), None)


def stored_classes(meta: Mapping) -> tuple[str, ...] | None:
    """Classes in a checkpoint's ``meta``, None if it names none.

    Reads what mmengine writes (``dataset_meta``) and what mmdet3d wrote before (``CLASSES``).
    """
    for place in (meta.get('dataset_meta'), meta):
        for key in ('classes', 'CLASSES'):
            names = place.get(key) if isinstance(place, Mapping) else None
            if isinstance(names, (list, tuple)) and names:
                return tuple(map(str, names))
    return None
