"""Write procedural streets in the layout of KITTI's object detection benchmark.

``training/velodyne_reduced/*.bin`` float32 (n, 4) cut to the image, ``calib``, ``label_2``,
``ImageSets``, ``image_sizes.csv`` and, by the same code as for real frames, info files and the
database of training objects. There are no images.
Shape letters: n points, k objects.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from projects.SRKD.base.checks import check_limits
from projects.SRKD.base.data_folder import new_folder
from projects.SRKD.base.progress import progress
from projects.SRKD.datasets.infos.kitti import write_kitti_infos
from projects.SRKD.datasets.infos.kitti_clouds import REDUCED
from projects.SRKD.datasets.infos.kitti_files import DONT_CARE, Calibration, Label, moved, wrapped
from projects.SRKD.datasets.infos.kitti_images import image_box
from projects.SRKD.datasets.infos.points_in_boxes import points_inside

from .boxes import StreetObject, street_objects
from .lidar import HDL64E, Lidar
from .scan import scan_street

FIRST_VAL_STREET = 5000  # so that neither split depends on the size of the other
HEIGHT, WIDTH = 375, 1242
_PER_STREET, _PERIOD = 4, 6.0  # frames of a street, seconds between them
_CLASS = dict(
    car='Car', truck='Truck', bicyclist='Cyclist', adult='Pedestrian', child='Pedestrian',
    worker='Pedestrian', bus='Misc', bendy_bus='Misc', trailer='Misc', motorcyclist='Misc',
    construction_vehicle='Misc',
)  # fmt: skip
_VIEW = 45.0  # degrees to either side that are scanned: the image spans 42
_VAN = 1.85  # meters: cars higher than this
_LABELED = 65.0  # meters of depth up to which objects are labeled; beyond: DontCare
_VISIBLE = 0.7, 0.35  # shares of the rays that meet an object: fully visible, partly occluded
_LEAST_POINTS = 3


def _turn(axis: int, angle: float) -> np.ndarray:
    """(4, 4) rotation about an axis, rounded: the last digit of a sine depends on the platform."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(4)
    matrix[a, a] = matrix[b, b] = np.round(np.cos(angle), 9)
    matrix[b, a] = np.round(np.sin(angle), 9)
    matrix[a, b] = -matrix[b, a]
    return matrix


def calibration() -> Calibration:
    """The camera of all frames: KITTI's focal length and lever arm, about, and a slight turn."""
    focal = np.array([[720.0, 0, 610, 45], [0, 720, 173, 0.2], [0, 0, 1, 0.003], [0, 0, 0, 1]])
    first = focal - [[0, 0, 0, 45], [0, 0, 0, 0.2], [0, 0, 0, 0.003], [0, 0, 0, 0]]
    forward = np.array([[0, -1.0, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]])
    lidar = forward @ _turn(2, 0.007) @ _turn(1, -0.012)
    imu = np.eye(4)
    imu[:3, 3] = -0.81, 0.32, -0.8
    return Calibration(dict(P0=first, P1=first, P2=focal, P3=focal, R0_rect=_turn(1, 0.006),
                            Tr_velo_to_cam=lidar, Tr_imu_to_velo=imu))  # fmt: skip


def write_kitti(
    out: str | Path,
    frames: int = 120,
    val_frames: int = 72,
    seed: int = 0,
    beams: int = 48,
    azimuth_steps: int = 720,
    force: bool = False,
) -> Path:
    """Write a data set; the folder appears when it is whole.

    Args:
        out: Folder to make.
        frames: Training frames, four of each street, six seconds apart.
        val_frames: Validation frames, of other streets.
        seed: Of everything; frame k of a split is the same whatever the counts.
        beams: Of the scanner's 64.
        azimuth_steps: Of a turn, of which the camera sees less than a quarter.
        force: Replace what ``out`` holds.

    Raises:
        FileExistsError: If ``out`` is not empty and ``force`` is not set.
        ValueError: If a count is not possible.
    """
    check_limits(
        frames=(frames, 1, 20_000),
        val_frames=(val_frames, 1, 20_000),
        seed=(seed, 0, 2**32),
        beams=(beams, 2, 64),
        azimuth_steps=(azimuth_steps, 16, 10_000),
    )
    lidar, camera = HDL64E.reduced(beams, azimuth_steps), calibration()
    splits = dict(train=[(k, k // _PER_STREET) for k in range(frames)],
                  val=[(500_000 + k, FIRST_VAL_STREET + k // _PER_STREET)
                       for k in range(val_frames)])  # fmt: skip
    with new_folder(out, force) as folder:
        for name in (REDUCED, 'training/calib', 'training/label_2', 'ImageSets'):
            (folder / name).mkdir(parents=True)
        reports = iter(progress('frames', [f'{k:06d}' for split in splits.values()
                                           for k, _ in split]))  # fmt: skip
        for split, numbers in splits.items():
            for number, street in numbers:
                scan = 1 + number % _PER_STREET
                _write_frame(folder, next(reports), seed, street, scan, lidar, camera)
            names = ''.join(f'{number:06d}\n' for number, _ in numbers)
            (folder / f'ImageSets/{split}.txt').write_text(names)
        next(reports, None)
        rows = (f'{k:06d},{WIDTH},{HEIGHT}\n' for split in splits.values() for k, _ in split)
        (folder / 'image_sizes.csv').write_text('frame,width,height\n' + ''.join(rows))
        write_kitti_infos(folder)
    return Path(out).absolute()


def _write_frame(folder: Path, name: str, seed: int, street: int, number: int, lidar: Lidar,
                 camera: Calibration) -> None:  # fmt: skip
    scan = scan_street(seed, street, number, lidar, _PERIOD, busy=True, view=_VIEW)
    things = street_objects(seed, street, number, lidar, _PERIOD, scan, busy=True)
    points = np.c_[scan.points, np.round(scan.strength.clip(0, 0.99), 2)].astype(np.float32)
    points = points[camera.in_view(points, HEIGHT, WIDTH)]
    points.tofile(folder / REDUCED / f'{name}.bin')
    labels = frame_labels(things, points, camera)
    (folder / f'training/label_2/{name}.txt').write_text(''.join(f'{row}\n' for row in labels))
    rows = ((name, matrix[:3, :3] if name == 'R0_rect' else matrix[:3])
            for name, matrix in camera.matrices.items())  # fmt: skip
    text = ''.join(f'{name}: {" ".join(f"{v + 0.0:.12e}" for v in matrix.ravel())}\n'
                   for name, matrix in rows)  # fmt: skip
    (folder / f'training/calib/{name}.txt').write_text(text)


def frame_labels(things: list[StreetObject], points: np.ndarray, camera: Calibration
                 ) -> list[Label]:  # fmt: skip
    """Labels of the objects seen in the image, ``DontCare`` last.

    An object needs points and its middle before the camera. The 2D box is that of the projected
    corners, cut by the image; what is cut off is ``truncated``. ``occluded`` follows from the share
    of the rays towards the object that get there, see ``visible_share``.

    Args:
        things: Objects around the scanner.
        points: (n, 4) in view, LiDAR frame.
        camera: Its matrices.
    """
    things = [thing for thing in things if thing.kind in _CLASS and thing.box[0] > 1]
    boxes = np.array([thing.box for thing in things]).reshape(-1, 7)
    labels, ignored = [], []
    for thing, inside in zip(things, points_inside(boxes, points)):
        x, y, z, length, width, height, yaw = thing.box
        place = moved(np.array([[x, y, z - height / 2]]), camera.lidar_to_camera)[0]
        size, place = np.round((height, width, length), 2).tolist(), np.round(place, 2).tolist()
        turn = float(np.round(wrapped(-yaw - np.pi / 2), 2))
        box, truncated = image_box(place, size, turn, camera, HEIGHT, WIDTH)
        if inside < _LEAST_POINTS or truncated > 0.95:
            continue
        if place[2] > _LABELED:
            ignored.append(Label(DONT_CARE, -1, -1, -10, box, (-1.0,) * 3, (-1000.0,) * 3, -10))
            continue
        share = visible_share(thing.box, points)
        occluded = int(sum(share < limit for limit in _VISIBLE))
        alpha = wrapped(turn - np.arctan2(place[0], place[2]))
        name = 'Van' if thing.kind == 'car' and height > _VAN else _CLASS[thing.kind]
        labels.append(Label(name, truncated, occluded, alpha, box, size, place, turn))
    return labels + ignored


def visible_share(box: np.ndarray, points: np.ndarray) -> float:
    """Share of the rays towards a box whose echo does not come from before it.

    Rays that cross the box and end behind it, past an arm or between wheels, count for neither.

    Args:
        box: (7,) LiDAR box.
        points: (n, >= 3) echoes; the scanner is the origin.
    """
    x, y, z, length, width, height, yaw = box
    reach = np.sqrt(length**2 + width**2) / 2
    across = np.abs(points[:, 1] * x - points[:, 0] * y)  # distance from the line to its middle
    near = points[across <= reach * np.hypot(points[:, 0], points[:, 1])]
    near = near[near[:, 0] * x + near[:, 1] * y > 0]
    cos, sin = np.cos(yaw), np.sin(yaw)
    half = np.array([length, width, height - 0.1]) / 2  # echoes of the ground below are no cover
    start = -np.array([cos * x + sin * y, cos * y - sin * x, z + 0.05])
    way = np.stack([cos * near[:, 0] + sin * near[:, 1], cos * near[:, 1] - sin * near[:, 0],
                    near[:, 2]], 1)  # fmt: skip
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    first, last = (-np.sign(way) * half - start) / way, (np.sign(way) * half - start) / way
    enter, leave = first.max(1), last.min(1)  # in units of the echo's range
    meets = (enter <= leave) & (leave > 0)
    covered, hit = meets & (enter > 1), meets & (enter <= 1) & (leave >= 1)
    return float(hit.sum() / max(covered.sum() + hit.sum(), 1))
