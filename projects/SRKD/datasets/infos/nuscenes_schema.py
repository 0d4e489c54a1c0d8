"""Find out whether the tables of a nuScenes data base fit together, before nuscenes-devkit fails.

The devkit answers a missing record with a bare ``KeyError`` of its token.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from os.path import commonprefix
from pathlib import Path

from ...base import FileMissingError, UsageError, nearest_path
from ...base.json_file import read_records

# The tables, and where the tokens in their fields lead (the devkit's docs/schema_nuscenes.md).
LINKS = dict(
    category={}, attribute={}, visibility={}, sensor={}, log={}, ego_pose={},
    instance=dict(category_token='category', first_annotation_token='sample_annotation',
                  last_annotation_token='sample_annotation'),
    calibrated_sensor=dict(sensor_token='sensor'),
    scene=dict(log_token='log', first_sample_token='sample', last_sample_token='sample'),
    sample=dict(scene_token='scene', prev='sample', next='sample'),
    sample_data=dict(sample_token='sample', ego_pose_token='ego_pose', prev='sample_data',
                     calibrated_sensor_token='calibrated_sensor', next='sample_data'),
    sample_annotation=dict(sample_token='sample', instance_token='instance',
                           attribute_tokens='attribute', visibility_token='visibility',
                           prev='sample_annotation', next='sample_annotation'),
    map=dict(log_tokens='log'),
)  # fmt: skip
_MAY_BE_EMPTY = ('prev', 'next', 'visibility_token')


def check_tables(root: str | Path, version: str) -> None:
    """Refuse tables that are not there or do not fit together.

    Args:
        root: Folder of the tables' folder, ``samples`` and ``maps``.
        version: Name of the tables' folder.

    Raises:
        FileMissingError: For the first table, mask image of a map or mask of nuScenes-lidarseg
            that is missing.
        UsageError: For the first token that leads nowhere, log without map or key frame without
            a scan of the LiDAR.
    """
    folder = Path(root) / version
    if not folder.is_dir():
        raise FileMissingError(
            f'the tables of nuScenes {version} are expected in {folder}, which does not exist; '
            f'{nearest_path(folder)}'
        )
    for table in LINKS:
        if not (folder / f'{table}.json').is_file():
            path = folder / f'{table}.json'
            raise FileMissingError(
                f'{path} is missing, nuScenes has the tables {", ".join(sorted(LINKS))}; '
                f'{nearest_path(path)}'
            )
    tables = {table: read_records(folder / f'{table}.json', ['token', *LINKS[table]])
              for table in LINKS}  # fmt: skip
    _check_links(tables, folder)
    _check_maps(tables, Path(root), folder)
    _check_scans(tables, folder)
    _check_masks(Path(root), folder)


def _check_links(tables: dict[str, list[dict]], folder: Path) -> None:
    tokens = {table: {record['token'] for record in records} for table, records in tables.items()}
    for table, links in LINKS.items():
        for field, target in links.items():
            known = tokens[target]
            for record in tables[table]:
                for token in _listed(record[field]):
                    if token in known or (token == '' and field in _MAY_BE_EMPTY):
                        continue
                    raise UsageError(
                        f'{folder / table}.json: {field} of record {record["token"]} is '
                        f'{token!r}, which names none of the {len(known)} records of '
                        f'{target}.json{_nearest(token, known)}'
                    )


def _check_maps(tables: dict[str, list[dict]], root: Path, folder: Path) -> None:
    for record in tables['map']:
        path = root / record['filename']
        if not path.is_file():
            raise FileMissingError(
                f'{folder}/map.json: filename of record {record["token"]} is {path}, which does '
                f'not exist; {nearest_path(path)}'
            )
    mapped = {token for record in tables['map'] for token in record['log_tokens']}
    for record in tables['log']:
        if record['token'] not in mapped:
            raise UsageError(
                f'{folder}/log.json: record {record["token"]} is in the log_tokens of none of the '
                f'{len(tables["map"])} records of map.json, the devkit expects one map for each log'
            )


def _check_scans(tables: dict[str, list[dict]], folder: Path) -> None:
    channel = {record['token']: record['channel'] for record in tables['sensor']}
    lidar = {record['token'] for record in tables['calibrated_sensor']
             if channel[record['sensor_token']] == 'LIDAR_TOP'}  # fmt: skip
    frames = [record for record in tables['sample_data'] if record['is_key_frame']]
    scanned = {record['sample_token'] for record in frames
               if record['calibrated_sensor_token'] in lidar}  # fmt: skip
    for record in tables['sample']:
        if record['token'] not in scanned:
            raise UsageError(
                f'{folder}/sample.json: record {record["token"]} has no key frame of LIDAR_TOP in '
                f'sample_data.json, expected one for each sample ({len(scanned)} of '
                f'{len(tables["sample"])} have one)'
            )


def _check_masks(root: Path, folder: Path) -> None:
    """The devkit asserts that the masks of nuScenes-lidarseg are as many as their table says."""
    table = folder / 'lidarseg.json'
    if not table.is_file():
        return
    names = [record['filename'] for record in read_records(table, ['filename'])]
    lacking = [name for name in names if not (root / name).is_file()]
    if lacking:
        raise FileMissingError(
            f'{table} names {len(names)} masks of which {len(names) - len(lacking)} lie in '
            f'{root / "lidarseg" / folder.name}, the first that does not is {root / lacking[0]}; '
            f'{nearest_path(root / lacking[0])}'
        )


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _nearest(token: str, known: Iterable[str]) -> str:
    """Words on the token that shares most characters at the start."""
    ordered = sorted(known)
    place = bisect_left(ordered, token)
    near = ordered[max(place - 1, 0) : place + 1]
    if not near:
        return ''
    best = max(near, key=lambda other: len(commonprefix([token, other])))
    return f', the nearest is {best!r}'
