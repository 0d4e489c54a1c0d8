"""KITTI's text files, calibration and labels, read with their mistakes named.

Layout and units of the object detection benchmark's development kit (Geiger et al., CVPR 2012).
Camera frame: x right, y down, z forward; LiDAR frame: x forward, y left, z up; meters, radians.
Shape letters: n points, k boxes. A LiDAR box is (x, y, z, length, width, height, yaw): z of its
middle, yaw counter-clockwise about z from +x.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...base import FileMissingError, UsageError, nearest_path
from .kitti_values import check_label_numbers, check_projection, check_rotation, read_number

CLASSES = ('Pedestrian', 'Cyclist', 'Car', 'Van', 'Truck', 'Person_sitting', 'Tram', 'Misc')
DONT_CARE = 'DontCare'
_ROWS = dict(P0=3, P1=3, P2=3, P3=3, R0_rect=3, Tr_velo_to_cam=3, Tr_imu_to_velo=3)
_NEEDED = ('P2', 'R0_rect', 'Tr_velo_to_cam')
_LEVELS = ((40, 0, 0.15), (25, 1, 0.3), (25, 2, 0.5))  # pixels, occlusion, truncation
_FIELDS = ('truncated', 'occluded', 'alpha', 'left', 'top', 'right', 'bottom', 'height', 'width',
           'length', 'x', 'y', 'z', 'rotation_y', 'score')  # fmt: skip
_NO_BOX = dict(size=(-1.0,) * 3, location=(-1000.0,) * 3, rotation_y=-10.0)


class Label(NamedTuple):
    """One line of a label file.

    Args:
        name: Of ``CLASSES``, or ``DontCare``.
        truncated: Share outside the image, 0 to 1.
        occluded: 0 fully visible, 1 partly occluded, 2 largely occluded, 3 unknown.
        alpha: Observation angle, radians.
        bbox: Left, top, right, bottom, pixels; four times -1 or 0 where it is unknown.
        size: Height, width, length, meters.
        location: (x, y, z) of the middle of the box's bottom, camera frame.
        rotation_y: About the camera's y axis.
        score: Of a prediction.
    """

    name: str
    truncated: float
    occluded: int
    alpha: float
    bbox: tuple[float, ...]
    size: tuple[float, ...]
    location: tuple[float, ...]
    rotation_y: float
    score: float = 0.0

    @property
    def difficulty(self) -> int:
        """0 easy, 1 moderate, 2 hard, -1 neither: by 2D height, occlusion and truncation."""
        height = self.bbox[3] - self.bbox[1]
        for level, (least, occlusion, truncation) in enumerate(_LEVELS):
            seen = self.occluded <= occlusion and self.truncated <= truncation
            if height > least and seen:
                return level
        return -1

    @property
    def camera_box(self) -> list[float]:
        """x, y, z of the bottom's middle, length, height, width, rotation_y, as mmdet3d has it."""
        height, width, length = self.size
        return [*self.location, length, height, width, self.rotation_y]

    def __str__(self) -> str:
        numbers = (self.alpha, *self.bbox, *self.size, *self.location, self.rotation_y)
        return ' '.join([self.name, f'{self.truncated:.2f}', str(self.occluded),
                         *(f'{value + 0.0:.2f}' for value in numbers)])  # fmt: skip


class Calibration(NamedTuple):
    """Matrices of a frame, each extended to (4, 4).

    Args:
        matrices: By KITTI's name: ``P0`` .. ``P3``, ``R0_rect``, ``Tr_velo_to_cam``,
            ``Tr_imu_to_velo``; only ``P2``, ``R0_rect`` and ``Tr_velo_to_cam`` are always there.
    """

    matrices: dict[str, np.ndarray]

    @property
    def lidar_to_camera(self) -> np.ndarray:
        """(4, 4) from the LiDAR to the rectified camera frame."""
        return self.matrices['R0_rect'] @ self.matrices['Tr_velo_to_cam']

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (n, 2) and depth (n,) in image 2 of camera-frame points (n, 3)."""
        u, v, depth = (points @ self.matrices['P2'][:3, :3].T + self.matrices['P2'][:3, 3]).T
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
        return np.stack([u / safe, v / safe], 1), depth

    def in_view(self, points: np.ndarray, height: int, width: int) -> np.ndarray:
        """(n,) bool: whether points (n, >= 3) of the LiDAR frame are seen in image 2."""
        pixel, depth = self.project(moved(points[:, :3], self.lidar_to_camera))
        return (depth > 0) & (pixel >= 0).all(1) & (pixel < (width, height)).all(1)

    def to_lidar(self, labels: Sequence[Label]) -> np.ndarray:
        """(k, 7) LiDAR boxes of labels."""
        boxes = [label.camera_box for label in labels]
        return lidar_boxes(np.array(boxes).reshape(-1, 7), self.lidar_to_camera)


def lidar_boxes(boxes: np.ndarray, lidar_to_camera: np.ndarray) -> np.ndarray:
    """Boxes (k, 7) of the camera frame, as ``Label.camera_box``, in the LiDAR's (k, 7)."""
    x, y, z, length, height, width, turn = boxes.T
    middle = moved(np.stack([x, y, z], 1), np.linalg.inv(lidar_to_camera))
    middle[:, 2] += height / 2
    return np.c_[middle, length, width, height, wrapped(-turn - np.pi / 2)]


def moved(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points (n, 3) after a rigid motion (4, 4)."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def wrapped(angle):
    """Angles in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def read_lines(path: str | Path, what: str) -> list[str]:
    """Lines of a text file, whatever the system it was written on.

    Raises:
        FileMissingError: If it is not there.
        UsageError: If it holds no text.
    """
    path = Path(path)
    if not path.is_file():
        raise FileMissingError(f'the {what} {path} does not exist; {nearest_path(path)}')
    try:
        return path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f'the {what} {path} is no text: byte {error.start} is no UTF-8') from None


def read_calibration(path: str | Path) -> Calibration:
    """Read ``calib/*.txt``.

    Raises:
        FileMissingError: If it is not there.
        UsageError: If a matrix is missing, has another number of values, is no projection or no
            rotation.
    """
    fields = (line.replace(':', ' ', 1).split() for line in read_lines(path, 'calibration'))
    values = {name: texts for name, *texts in filter(None, fields)}
    matrices = {}
    for name, rows in _ROWS.items():
        if name not in values:
            if name in _NEEDED:
                raise UsageError(f'{path} has no matrix {name}; {_nearest(name, values)}')
            continue
        columns = 3 if name == 'R0_rect' else 4
        if len(values[name]) != rows * columns:
            raise UsageError(f'{name} of {path} has {len(values[name])} values, expected '
                             f'{rows * columns}')  # fmt: skip
        numbers = [read_number(text, 'a value', f'{name} of {path}') for text in values[name]]
        matrices[name] = np.eye(4)
        matrices[name][:3, :columns] = np.array(numbers).reshape(rows, columns)
    check_projection(matrices['P2'], f'P2 of {path}')
    for name in ('R0_rect', 'Tr_velo_to_cam'):
        check_rotation(matrices[name], f'{name} of {path}')
    return Calibration(matrices)


def read_labels(path: str | Path) -> list[Label]:
    """Read ``label_2/*.txt``.

    A region of the image that is ``DontCare`` has no box: whatever its line holds in the place of
    one becomes what the object benchmark writes there. KITTI's tracking labels hold a box of -1000
    meters, which would excuse every false alarm around it.

    Raises:
        FileMissingError: If it is not there.
        UsageError: If a line has too few or too many fields, a class that KITTI does not have or a
            number that cannot be; names line and field.
    """
    rows = enumerate(read_lines(path, 'label file'), 1)
    return [_label(line.split(), f'line {number} of {path}') for number, line in rows
            if line.strip()]  # fmt: skip


def check_classes(classes: Sequence[str], where: str) -> None:
    """Refuse classes that KITTI does not label.

    Raises:
        UsageError: On the first one, with the nearest name.

    Example:
        >>> check_classes(['Car', 'Cyclists'], 'metainfo of train_dataloader')
        Traceback (most recent call last):
        ...
        projects.SRKD.base.errors.UsageError: class 'Cyclists' in metainfo of train_dataloader is \
not one of KITTI's; the nearest is Cyclist
    """
    for name in classes:
        if name not in CLASSES:
            raise UsageError(f"class {name!r} in {where} is not one of KITTI's; "
                             + _nearest(name, CLASSES))  # fmt: skip


def _label(fields: list[str], where: str) -> Label:
    if len(fields) not in (len(_FIELDS), len(_FIELDS) + 1):
        raise UsageError(
            f'{where} has {len(fields)} fields, expected the type, '
            f'{", ".join(_FIELDS[:-1])} and at most a score{_tracking(fields)}'
        )
    if fields[0] != DONT_CARE:
        check_classes(fields[:1], where)
    region = fields[0] == DONT_CARE
    read = {name: read_number(text, name, where) for name, text in zip(_FIELDS, fields[1:])
            if not region or name in ('left', 'top', 'right', 'bottom')}  # fmt: skip
    bbox = tuple(read[name] for name in ('left', 'top', 'right', 'bottom'))
    if region:
        return Label(DONT_CARE, -1.0, -1, -10.0, bbox, **_NO_BOX)
    check_label_numbers(read, where)
    return Label(fields[0], read['truncated'], int(read['occluded']), read['alpha'], bbox,
                 tuple(read[name] for name in ('height', 'width', 'length')),
                 tuple(read[name] for name in 'xyz'), read['rotation_y'],
                 read.get('score', 0.0))  # fmt: skip


def _tracking(fields: list[str]) -> str:
    known = len(fields) > 2 and fields[2] in (*CLASSES, DONT_CARE)
    return '; frame and track of a tracking label are left out' if known else ''


def _nearest(name: str, names) -> str:
    near = get_close_matches(name, names, n=1, cutoff=0.4)
    return f'the nearest is {near[0]}' if near else f'expected one of {", ".join(names)}'


__all__ = ['CLASSES', 'Calibration', 'DONT_CARE', 'Label', 'check_classes', 'lidar_boxes',
           'moved', 'read_calibration', 'read_labels', 'read_lines', 'wrapped']  # fmt: skip
