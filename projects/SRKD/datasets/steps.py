"""The steps of a pipeline, those inside of others too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def steps_of(pipeline: Any) -> Iterator[Any]:
    """Each step of a built pipeline, outer ones before what they hold.

    Args:
        pipeline: A step, several, or None. Wrappers hold ``transforms``; what mixes scans holds the
            ``pre_transform`` of the second one.
    """
    if isinstance(pipeline, (list, tuple)):
        for step in pipeline:
            yield from steps_of(step)
        return
    if pipeline is None:
        return
    yield pipeline
    for inner in ('transforms', 'pre_transform'):
        yield from steps_of(getattr(pipeline, inner, None))


def mixes(pipeline: Any) -> bool:
    """Whether a step lays a second scan of the data set into the first.

    Example:
        >>> from projects.SRKD.datasets.augmentation.mixing import Mix3D
        >>> mixes([Mix3D([])]), mixes([])
        (True, False)
    """
    return any(hasattr(step, 'pre_transform') for step in steps_of(pipeline))
