"""Scans by name: the end of a path that tells one from all others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from ...base import UsageError, nearest_name


def find_scans(names: Sequence[str], paths: Sequence[str], owner: str) -> list[int]:
    """Find scans by their names.

    A name is a path, or its last parts, with or without the ending: ``scene0001_00``,
    ``08/velodyne/000120``, ``points/scene0001_00.bin``.

    Args:
        names: Of the scans wanted.
        paths: Of all scans, each once.
        owner: Argument that holds the names, for messages.

    Returns:
        Places in ``paths``, ascending, each once.

    Raises:
        UsageError: If a name fits no scan (names the nearest) or several.

    Example:
        >>> find_scans(['01/a', '00/a'], ['s/00/a.bin', 's/01/a.bin'], 'labeled')
        [0, 1]
        >>> find_scans(['a'], ['s/00/a.bin', 's/01/a.bin'], 'labeled')
        Traceback (most recent call last):
        ...
        projects.SRKD.base.errors.UsageError: labeled names 'a', which fits 2 scans, s/00/a.bin \
and s/01/a.bin among them: write more of the path
    """
    places = _places({_plain(name) for name in names}, paths)
    found = set()
    for name in names:
        fitting = sorted(places.get(_plain(name), ()))
        if not fitting:
            # of a long list of files the last parts tell most, and cost least to compare
            known = [PurePosixPath(_plain(path)).stem for path in paths]
            raise UsageError(
                f'{owner} names the scan {name!r}, which is not among the {len(paths)} of the data '
                f'set; nearest: {nearest_name(PurePosixPath(_plain(name)).stem, known)!r}'
            )
        if len(fitting) > 1:
            raise UsageError(
                f'{owner} names {name!r}, which fits {len(fitting)} scans, {paths[fitting[0]]} and '
                f'{paths[fitting[1]]} among them: write more of the path'
            )
        found.add(fitting[0])
    return sorted(found)


def _places(wanted: set[str], paths: Sequence[str]) -> dict[str, set[int]]:
    """Where each of the wanted names fits; the ends of 100,000 paths would be a gigabyte."""
    places = defaultdict(set)
    last_parts = {name.rsplit('/', 1)[-1] for name in wanted}
    for place, path in enumerate(paths):
        last = _plain(path).rstrip('/').rsplit('/', 1)[-1]
        if last in last_parts or PurePosixPath(last).stem in last_parts:
            for name in _names(path) & wanted:
                places[name].add(place)
    return places


def _plain(path: str) -> str:
    return str(path).replace('\\', '/')


def _names(path: str) -> set[str]:
    """All ends of a path, with and without the ending of the file."""
    path = PurePosixPath(_plain(path))
    ends = set()
    for whole in (path, path.with_suffix('')):
        ends |= {'/'.join(whole.parts[i:]) for i in range(1, len(whole.parts))}
        ends.add(str(whole))
    return ends
