"""Write procedural streets as nuScenes' data base: labeled tracks, ego poses, scans and maps.

``v1.0-mini/*.json`` are the 13 tables of nuScenes' schema, in whose scenes nuscenes-devkit trains
(``mini_train``) and scores (``mini_val``); ``samples/LIDAR_TOP/*.pcd.bin`` float32 (n, 5): x right,
y forward, z up, intensity 0..255, ring; ``maps/*.png``; the info files of mmdet3d.

World of a scene: x along the street, y to the left, z up; meters.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import mmcv
import numpy as np

from projects.SRKD.base.checks import check_limits
from projects.SRKD.base.data_folder import new_folder
from projects.SRKD.base.packages import needed
from projects.SRKD.base.progress import progress
from projects.SRKD.datasets.infos.nuscenes_detection import write_nuscenes_infos

from .boxes import StreetObject, street_objects
from .lidar import HDL32E, Lidar
from .nuscenes_writer import POINTS, full_turn
from .scan import StreetScan, scan_street, street_at
from .street import REACH

VERSION = 'v1.0-mini'
CATEGORIES = dict(
    car='vehicle.car', truck='vehicle.truck', bus='vehicle.bus.rigid',
    bendy_bus='vehicle.bus.bendy', trailer='vehicle.trailer',
    construction_vehicle='vehicle.construction', bicycle='vehicle.bicycle',
    bicyclist='vehicle.bicycle', motorcycle='vehicle.motorcycle',
    motorcyclist='vehicle.motorcycle', adult='human.pedestrian.adult',
    child='human.pedestrian.child', worker='human.pedestrian.construction_worker',
    barrier='movable_object.barrier', cone='movable_object.trafficcone',
)  # fmt: skip
ATTRIBUTES = ('vehicle.moving', 'vehicle.stopped', 'vehicle.parked', 'cycle.with_rider',
              'cycle.without_rider', 'pedestrian.sitting_lying_down', 'pedestrian.standing',
              'pedestrian.moving')  # fmt: skip
_LEVELS = ('v0-40', 'v40-60', 'v60-80', 'v80-100')  # tokens '1' to '4': share that is visible
_SHIFT = np.array([REACH + 20.0, 75.0, 0.0])  # nothing lies below zero, where maps end
_PIXEL = 0.1  # meters, nuScenes' own
# The sensor stands before the middle of the rear axle and looks to the right (nuScenes).
_LEVER = (0.94, 0.0, HDL32E.height)
_TURN = dict(axis=(0, 0, 1), degrees=-90)


def write_nuscenes_detection(
    out: str | Path,
    scenes: int = 8,
    val_scenes: int = 2,
    scans: int = 10,
    seed: int = 0,
    beams: int = 32,
    azimuth_steps: int = HDL32E.steps,
    period: float = HDL32E.period,
    force: bool = False,
) -> Path:
    """Write a data base of key frames; the folder appears when it is whole.

    Args:
        out: Folder to make.
        scenes: Of the devkit's ``mini_train``, each in a street of its own.
        val_scenes: Of its ``mini_val``.
        scans: Key frames of each scene; velocities need two.
        seed: Of everything; a scene's scans are the same whatever the counts.
        beams: Of the scanner's 32.
        azimuth_steps: Of a turn.
        period: Seconds from one key frame to the next; the devkit takes no velocity from more than
            1.5 s.
        force: Replace what ``out`` holds.

    Raises:
        FileExistsError: If ``out`` is not empty and ``force`` is not set.
        ValueError: If a count is not possible.
    """
    splits = needed('nuscenes.utils.splits')
    check_limits(
        scenes=(scenes, 1, len(splits.mini_train)),
        val_scenes=(val_scenes, 0, len(splits.mini_val)),
        scans=(scans, 1, 400),
        seed=(seed, 0, 2**32),
        beams=(beams, 2, 32),
        azimuth_steps=(azimuth_steps, 16, 10_000),
        period=(period, 0.01, 1.5),
    )
    lidar = HDL32E.reduced(beams, azimuth_steps)
    names = [*splits.mini_train[:scenes], *splits.mini_val[:val_scenes]]
    with new_folder(out, force) as folder:
        for name in (POINTS, 'sweeps/LIDAR_TOP', 'maps', VERSION):  # no sweeps: an empty folder
            (folder / name).mkdir(parents=True)
        tables = _Tables(seed)
        reports = iter(progress('streets', [f'{name}/{k}' for name in names for k in range(scans)]))
        for name in names:
            _write_scene(folder, tables, name, scans, lidar, period, reports)
        next(reports, None)
        tables.write(folder / VERSION)
        write_nuscenes_infos(folder, VERSION, database=False)  # mini detectors paste nothing
    return Path(out).absolute()


class _Tables:
    """Records by table; a token follows from the seed, the table and the record's own key."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        names = ('scene', 'sample', 'sample_data', 'sample_annotation', 'instance', 'ego_pose',
                 'calibrated_sensor', 'sensor', 'log', 'map', 'category', 'attribute',
                 'visibility')  # fmt: skip
        self.records: dict[str, list[dict]] = {name: [] for name in names}
        for name in dict.fromkeys(CATEGORIES.values()):
            self.add('category', name, name=name, description='')
        for name in ATTRIBUTES:
            self.add('attribute', name, name=name, description='')
        for number, level in enumerate(_LEVELS, 1):
            self.records['visibility'].append(
                dict(token=str(number), level=level, description=''))  # fmt: skip
        self.add('sensor', 'LIDAR_TOP', channel='LIDAR_TOP', modality='lidar')

    def token(self, table: str, *key: object) -> str:
        return hashlib.md5(f'{table} {self.seed} {key}'.encode()).hexdigest()

    def add(self, table: str, *key: object, **fields: object) -> str:
        token = self.token(table, *key)
        self.records[table].append(dict(token=token, **fields))
        return token

    def add_chain(self, table: str, keys: list[tuple], records: list[dict]) -> list[str]:
        """Add records that name the one before and the one after them."""
        tokens = ['', *(self.token(table, *key) for key in keys), '']
        for before, key, record, after in zip(tokens, keys, records, tokens[2:]):
            self.add(table, *key, **record, prev=before, next=after)
        return tokens[1:-1]

    def write(self, folder: Path) -> None:
        for name, records in self.records.items():
            (folder / f'{name}.json').write_text(json.dumps(records, indent=0))


def _write_scene(folder: Path, tables: _Tables, name: str, scans: int, lidar: Lidar, period: float,
                 reports: Iterator) -> None:  # fmt: skip
    number, seed = street_number(name), tables.seed
    log = tables.add('log', name, logfile=f'mini-{name}', vehicle='mini', location='mini-street',
                     date_captured='2018-06-26')  # fmt: skip
    sensor = tables.add('calibrated_sensor', name, sensor_token=tables.token('sensor', 'LIDAR_TOP'),
                        translation=list(_LEVER), rotation=_rotation(**_TURN),
                        camera_intrinsic=[])  # fmt: skip
    scene, keys = tables.token('scene', name), [(name, k) for k in range(scans)]
    samples, lidar_data, tracks = [], [], {}
    for k in range(scans):
        next(reports)
        scan = scan_street(seed, number, k, lidar, period, sees_own_car=True)
        stamp = 1_530_000_000_000_000 + number * 10**10 + int(round(k * period * 1e6))
        file = f'{POINTS}/mini-{name}__LIDAR_TOP__{stamp}.pcd.bin'
        points, _ = full_turn(scan, lidar, np.random.default_rng([seed, number, 5, k]))
        points.tofile(folder / file)
        samples.append(dict(timestamp=stamp, scene_token=scene))
        pose = tables.add('ego_pose', name, k, timestamp=stamp, **_ego_pose(scan))
        lidar_data.append(
            dict(sample_token=tables.token('sample', name, k), ego_pose_token=pose,
                 calibrated_sensor_token=sensor, timestamp=stamp, fileformat='pcd',
                 is_key_frame=True, height=0, width=0, filename=file))  # fmt: skip
        for thing in street_objects(seed, number, k, lidar, period, scan):
            tracks.setdefault((thing.instance, thing.kind), []).append((k, thing))
    tokens = tables.add_chain('sample', keys, samples)
    tables.add_chain('sample_data', keys, lidar_data)
    for key, track in sorted(tracks.items()):
        _add_track(tables, name, key, track)
    tables.add('scene', name, log_token=log, nbr_samples=scans, first_sample_token=tokens[0],
               last_sample_token=tokens[-1], name=name, description='procedural')  # fmt: skip
    end = _SHIFT[0] + REACH + street_at(seed, number).speed * period * (scans - 1)
    _write_map(folder, tables, name, log, street_at(seed, number).profile, end)


def street_number(name: str) -> int:
    """Number of the street of a scene; from seed 0 the two of ``mini_val`` have all ten classes.

    Example:
        >>> street_number('scene-0103')
        104
    """
    return int(name.removeprefix('scene-')) + 1


def _ego_pose(scan: StreetScan) -> dict[str, list[float]]:
    place = scan.pose.place + _SHIFT - _LEVER[0] * scan.pose.axes[:, 0]
    return dict(rotation=_rotation(matrix=scan.pose.axes), translation=place.tolist())


def _rotation(**kwargs) -> list[float]:
    return needed('pyquaternion').Quaternion(**kwargs).elements.tolist()


def _add_track(tables: _Tables, name: str, key: tuple[int, str],
               track: list[tuple[int, StreetObject]]) -> None:  # fmt: skip
    """Annotate a thing from the first to the last scan with a point of it, as nuScenes does."""
    seen = [i for i, (_, thing) in enumerate(track) if thing.points]
    if not seen:
        return
    track = track[seen[0] : seen[-1] + 1]
    instance = tables.token('instance', name, *key)
    records = []
    for k, thing in track:
        x, y, z, length, width, height, yaw = thing.world_box.tolist()
        attribute = attribute_of(thing.kind, thing.moving)
        records.append(
            dict(sample_token=tables.token('sample', name, k), instance_token=instance,
                 visibility_token='4' if thing.points else '1',
                 attribute_tokens=[tables.token('attribute', attribute)] if attribute else [],
                 translation=(np.array([x, y, z]) + _SHIFT).round(4).tolist(),
                 size=[width, length, height], num_lidar_pts=thing.points, num_radar_pts=0,
                 rotation=_rotation(axis=(0, 0, 1), radians=yaw)))  # fmt: skip
    tokens = tables.add_chain('sample_annotation', [(name, *key, k) for k, _ in track], records)
    tables.add('instance', name, *key, category_token=tables.token('category', CATEGORIES[key[1]]),
               nbr_annotations=len(tokens), first_annotation_token=tokens[0],
               last_annotation_token=tokens[-1])  # fmt: skip


def attribute_of(kind: str, moving: bool) -> str:
    """What nuScenes says about the state of a thing; '' for what has none.

    Example:
        >>> attribute_of('bus', True), attribute_of('bicyclist', False), attribute_of('cone', False)
        ('vehicle.moving', 'cycle.with_rider', '')
    """
    group = CATEGORIES[kind].split('.')
    if group[0] == 'movable_object':
        return ''
    if group[0] == 'human':
        return f'pedestrian.{"moving" if moving else "standing"}'
    if group[1] in ('bicycle', 'motorcycle'):
        return f'cycle.{"with" if kind.endswith("ist") else "without"}_rider'
    return f'vehicle.{"moving" if moving else "parked"}'


def _write_map(folder: Path, tables: _Tables, name: str, log: str, profile, end: float) -> None:
    """A mask of roadway and sidewalks, 255 in 0, its first row at the greatest y."""
    token = tables.token('map', name)
    height = int(2 * _SHIFT[1] / _PIXEL)
    mask = np.zeros((height, int(end / _PIXEL)), np.uint8)
    right, left = _SHIFT[1] - profile.back_at(0), _SHIFT[1] + profile.back_at(1)
    mask[height - int(left / _PIXEL) : height - int(right / _PIXEL)] = 255
    file = f'maps/{token}.png'
    mmcv.imwrite(mask, str(folder / file))
    tables.add('map', name, category='semantic_prior', filename=file, log_tokens=[log])


__all__ = ['ATTRIBUTES', 'CATEGORIES', 'VERSION', 'attribute_of', 'street_number',
           'write_nuscenes_detection']  # fmt: skip
