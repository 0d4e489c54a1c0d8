"""Key frames against the split of nuScenes that they are scored as.

mmdet3d scores ``mini_val`` or ``val``, whole; nuscenes-devkit asserts so after the last frame.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..base import FileMissingError, UsageError, nearest_path
from ..base.json_file import read_records
from ..base.packages import needed

SCORED = {'v1.0-mini': 'mini_val', 'v1.0-trainval': 'val'}
"""Version of the tables -> split that mmdet3d scores."""


def check_version(root: str | Path, version: Any, key: str) -> Path:
    """Refuse a version that mmdet3d does not score or whose tables are not there.

    Args:
        root: Folder of the tables' folder.
        version: Name of the tables' folder.
        key: What says the version, in words.

    Returns:
        The tables' folder.

    Raises:
        FileMissingError: If there are no tables of the version.
        UsageError: If it is not one of :data:`SCORED`.
    """
    if version not in SCORED:
        raise UsageError(
            f'{key} must be {" or ".join(SCORED)}, which mmdet3d scores, but got {version!r}'
        )
    folder = Path(root) / version
    for path in (folder, folder / 'sample.json', folder / 'scene.json'):
        if not path.exists():
            raise FileMissingError(
                f'the tables {path} do not exist, expected those of {key}; {nearest_path(path)}'
            )
    return folder


def check_frames(
    folder: Path, listed: Collection[str], source: str, key: str, advice: str | None
) -> None:
    """Refuse frames of another version, and a part of a split.

    Args:
        folder: Of the tables, see :func:`check_version`.
        listed: Tokens of the key frames that are to be scored.
        source: What lists them, in words.
        key: What says the version, in words.
        advice: How a part is scored, in words; None: a part is welcome.

    Raises:
        UsageError: Counts the frames and names the first, or the scenes that lack some.
    """
    samples = read_records(folder / 'sample.json', ['token', 'scene_token'])
    scenes = read_records(folder / 'scene.json', ['token', 'name'])
    names = {scene['token']: scene['name'] for scene in scenes}
    places = {sample['token']: names[sample['scene_token']] for sample in samples}
    split, listed = SCORED[folder.name], set(listed)
    scored = set(needed('nuscenes.utils.splits').create_splits_scenes()[split])
    strange = [token for token in listed if places.get(token) not in scored]
    if strange:
        raise UsageError(
            f'{len(strange)} of the {len(listed)} key frames of {source} are not in the '
            f'split {split} of {folder}, the first is {strange[0]!r}: expected '
            f'the version of the info file as {key}'
        )
    lacking = [token for token, scene in places.items() if scene in scored and token not in listed]
    if lacking and advice is not None:
        parts = sorted({places[token] for token in lacking})
        raise UsageError(
            f'{len(lacking)} of the {len(lacking) + len(listed)} key frames of the split '
            f'{split} are not in {source}, those of {", ".join(parts[:5])}'
            f'{", ..." if len(parts) > 5 else ""}: nuscenes-devkit scores whole splits; {advice}'
        )
