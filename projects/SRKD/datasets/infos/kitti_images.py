"""What KITTI's data says of its images, without opening one: their sizes and the boxes in them."""

from __future__ import annotations

import csv
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...base import UsageError, nearest_name
from .kitti_files import DONT_CARE, Calibration, Label, read_lines
from .kitti_values import is_known

_PNG_HEADER = struct.Struct('>8s8xII')  # signature, length and name of the first chunk, sizes
_PNG, _JPEG = b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff'
_COLUMNS = ('frame', 'width', 'height')
_NEAREST_DEPTH = 0.2  # meters before the camera up to which what reaches behind it is drawn


class ImageSizes:
    """Height and width of the images of a root, looked up when asked for.

    They stand in ``image_sizes.csv`` (frame, width, height; leading zeros of the frame may be
    missing) or else in the heads of ``training/image_2/*.png``.

    Args:
        root: Of the data.

    Raises:
        UsageError: If the table has other columns or a row that is no three numbers; when asked
            for a frame, if its size is unknown or the image has another.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._file, self._table = root, root / 'image_sizes.csv', {}
        if not self._file.is_file():
            return
        rows = list(csv.reader(read_lines(self._file, 'table of image sizes')))
        header = [name.strip() for name in rows[0]] if rows else []
        if sorted(header) != sorted(_COLUMNS):
            raise UsageError(f'{self._file} starts with {",".join(header)!r}, expected the columns '
                             f'{",".join(_COLUMNS)}')  # fmt: skip
        for number, row in enumerate(rows[1:], 2):
            if row:
                frame, width, height = self._row(dict(zip(header, row)), len(row), number)
                self._table[frame] = height, width

    def _row(self, row: dict[str, str], count: int, number: int) -> tuple[int, int, int]:
        values = [row.get(name, '').strip() for name in _COLUMNS]
        numbers = [int(value) if value.isdecimal() else -1 for value in values]
        if count != len(_COLUMNS) or min(numbers) < 0 or 0 in numbers[1:]:
            raise UsageError(f'line {number} of {self._file} is {",".join(row.values())!r}, '
                             'expected frame, width and height in pixels')  # fmt: skip
        return tuple(numbers)

    def __getitem__(self, frame: str) -> tuple[int, int]:
        image = self._root / f'training/image_2/{frame}.png'
        told = self._table.get(int(frame))
        if told is not None:
            self._compare(frame, told, image)
            return told
        if image.is_file():
            return _png_size(image)
        near = nearest_name(int(frame), map(str, self._table))
        raise UsageError(
            f'the image size of frame {frame} is unknown: expected a row of {self._file} '
            f'({",".join(_COLUMNS)}) or the image {image}'
            + (f'; the nearest frame in the table is {near}' if near else '')
        )

    def _compare(self, frame: str, told: tuple[int, int], image: Path) -> None:
        """Refuse a size that the image itself contradicts."""
        if image.is_file() and _head(image).startswith(_PNG):
            height, width = _png_size(image)
            if (height, width) != told:
                raise UsageError(f'{self._file} says that the image of frame {frame} has '
                                 f'{told[1]} x {told[0]} pixels (width x height), {image} has '
                                 f'{width} x {height}')  # fmt: skip


def _png_size(path: Path) -> tuple[int, int]:
    head = _head(path)
    if not head.startswith(_PNG) or len(head) < _PNG_HEADER.size:
        kind = 'a JPEG' if head.startswith(_JPEG) else 'empty' if not head else 'no PNG'
        raise UsageError(f'the image {path} is {kind}, expected a PNG, whose head tells its size: '
                         'convert it, or write the sizes into image_sizes.csv')  # fmt: skip
    _, width, height = _PNG_HEADER.unpack(head)
    return height, width


def _head(path: Path) -> bytes:
    with open(path, 'rb') as file:
        return file.read(_PNG_HEADER.size)


def image_box(location: Sequence[float], size: Sequence[float], rotation_y: float,
              camera: Calibration, height: int, width: int
              ) -> tuple[tuple[float, ...], float]:  # fmt: skip
    """2D box in the image of a 3D box given as in a label, and the share that the image cuts off.

    Returns:
        Left, top, right, bottom in pixels, four times -1 if nothing of it is seen.
    """
    tall, wide, long = size
    sign = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 0) for k in (-1, 1)])
    along, down, across = (sign * (long / 2, tall, wide / 2)).T
    cos, sin = np.cos(rotation_y), np.sin(rotation_y)
    turned = np.stack([cos * along + sin * across, down, cos * across - sin * along], 1)
    corners = turned + location
    if corners[:, 2].max() <= _NEAREST_DEPTH:
        return (-1.0,) * 4, 1.0
    corners[:, 2] = np.maximum(corners[:, 2], _NEAREST_DEPTH)
    pixel, _ = camera.project(corners)
    low, high = pixel.min(0), pixel.max(0)
    left_top, right_bottom = np.maximum(low, 0), np.minimum(high, (width - 1, height - 1))
    if (right_bottom <= left_top).any():
        return (-1.0,) * 4, 1.0
    share = np.prod(right_bottom - left_top) / np.prod(high - low)
    return (*left_top.tolist(), *right_bottom.tolist()), float(1 - share)


def with_image_boxes(labels: list[Label], camera: Calibration, height: int, width: int, where: str
                     ) -> tuple[list[Label], int]:  # fmt: skip
    """Labels whose unknown 2D boxes are those of their 3D boxes, and how many were unknown.

    KITTI's evaluation asks for the height of a 2D box in order to count an object at all.

    Raises:
        UsageError: If the middle of a 2D box lies outside the image.
    """
    filled, unknown = [], 0
    for label in labels:
        if is_known(label.bbox):
            _check_inside(label, height, width, where)
        elif label.name != DONT_CARE:
            unknown += 1
            place = label.location, label.size, label.rotation_y
            label = label._replace(bbox=image_box(*place, camera, height, width)[0])
        filled.append(label)
    return filled, unknown


def _check_inside(label: Label, height: int, width: int, where: str) -> None:
    left, top, right, bottom = label.bbox
    u, v = (left + right) / 2, (top + bottom) / 2
    if 0 <= u < width and 0 <= v < height:
        return
    swapped = 0 <= u < height and 0 <= v < width
    raise UsageError(
        f'{where} has a {label.name} around pixel ({u:.0f}, {v:.0f}), outside of the image of '
        f'{width} x {height} pixels (width x height)'
        + ('; with width and height swapped it lies inside' if swapped else '')
    )
