"""Which classes a data set numbers, read from its config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mmdet3d.datasets import Det3DDataset
from mmdet3d.datasets.transforms import ObjectNameFilter
from mmdet3d.registry import DATASETS
from mmengine.dataset import BaseDataset

from .database_sampler import CheckedDataBaseSampler


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


def known_classes(dataset: Mapping) -> tuple[str, ...] | None:
    """Classes that objects of a detection data set can have, None if anything goes."""
    kind = dataset.get('type')
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    boxes = isinstance(kind, type) and issubclass(kind, Det3DDataset)
    return kind.METAINFO.get('classes') if boxes else None


def follow_classes(dataset: BaseDataset) -> None:
    """Have transforms with a list of classes of their own number them as their data set does.

    A config that inherits a pipeline and overrides ``metainfo.classes`` would else paste, or keep,
    objects of one class under the number of another.

    Raises:
        UsageError: If a transform and the data set have no class in common, with both lists.
    """
    names = tuple(dataset.metainfo.get('classes') or ())
    for transform in _steps(dataset.pipeline) if names else ():
        if isinstance(transform, ObjectNameFilter):
            transform.labels = [names.index(each) for each in transform.classes if each in names]
        elif isinstance(getattr(transform, 'db_sampler', None), CheckedDataBaseSampler):
            transform.db_sampler.follow(names)


def _steps(step: Any) -> Iterator[Any]:
    """A transform and those inside of it (``Compose``, ``RandomApply``, ...)."""
    yield step
    inner = getattr(step, 'transforms', ())
    for each in inner if isinstance(inner, (list, tuple)) else [inner]:
        yield from _steps(each)


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
