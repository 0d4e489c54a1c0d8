"""Whether the frames of an info file are those that nuscenes-devkit will ask for.

The devkit asserts it in the end of a validation, without saying which frames it misses.
"""

from __future__ import annotations

import json
from pathlib import Path

from nuscenes.utils.splits import create_splits_scenes

from ..base import FileMissingError, UsageError, nearest_path

_SCORED = {'v1.0-mini': 'mini_val', 'v1.0-trainval': 'val'}  # by mmdet3d


def check_split(
    tokens: set[str], ann_file: str, root: str | Path, version: str, place: str, partly: str | None
) -> None:
    """Refuse what nuScenes' devkit would refuse after the last frame.

    Args:
        tokens: Key frames of the info file.
        ann_file: The info file.
        root: Folder of the tables' folder.
        version: Name of the tables' folder.
        place: Where the version is set, for messages.
        partly: Key of the metric's type, for messages; None where it scores a part of a split.

    Raises:
        FileMissingError: If there are no tables of that version.
        UsageError: If mmdet3d does not score the version, or the frames are not those of its
            split, or not all of them.
    """
    folder = Path(root) / version
    if version not in _SCORED:
        raise UsageError(f'{place} is {version!r}, mmdet3d scores {" and ".join(_SCORED)}')
    if not folder.is_dir():
        raise FileMissingError(
            f'the tables {folder} do not exist, expected those of {place}; {nearest_path(folder)}'
        )
    samples, scenes = (_table(folder / f'{name}.json') for name in ('sample', 'scene'))
    names = {scene['token']: scene['name'] for scene in scenes}
    places = {sample['token']: names[sample['scene_token']] for sample in samples}
    scored = create_splits_scenes()[_SCORED[version]]
    strange = sorted(token for token in tokens if places.get(token) not in scored)
    if strange:
        raise UsageError(
            f'{len(strange)} of the {len(tokens)} key frames of {ann_file} are not in the '
            f'split {_SCORED[version]} of {folder}, the first is {strange[0]!r}: expected '
            f'the version of the info file as {place}'
        )
    lacking = [token for token, scene in places.items() if scene in scored and token not in tokens]
    if lacking and partly is not None:
        parts = sorted({places[token] for token in lacking})
        raise UsageError(
            f'{len(lacking)} of the {len(lacking) + len(tokens)} key frames of the split '
            f'{_SCORED[version]} are not in {ann_file}, those of {", ".join(parts[:5])}'
            f'{", ..." if len(parts) > 5 else ""}: nuscenes-devkit scores whole splits; '
            f"{partly}='NuScenesPartMetric' scores the part"
        )


def _table(path: Path) -> list[dict]:
    if not path.is_file():
        raise FileMissingError(f'the table {path} does not exist; {nearest_path(path)}')
    return json.loads(path.read_text())
