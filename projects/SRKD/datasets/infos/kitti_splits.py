"""Which frames train and validate: the files of KITTI's ``ImageSets``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...base import FileMissingError, UsageError, nearest_path
from .kitti_files import read_lines


def read_frames(path: str | Path) -> list[str]:
    """Frames a split's file names, as in the names of their files.

    Raises:
        FileMissingError: If the file does not exist.
        UsageError: If it names no frame, or a line is no number.
    """
    names = []
    for number, line in enumerate(read_lines(path, 'split'), 1):
        for name in line.split():
            if not (name.isdecimal() and name.isascii()):
                digits = name.partition('.')[0]
                hint = f', the frame alone is {digits}' if digits.isdecimal() else ''
                raise UsageError(f'line {number} of {path} names the frame {name!r}, expected a '
                                 f'number such as 000123{hint}')  # fmt: skip
            names.append(name)
    if not names:
        raise UsageError(f'{path} is empty, expected a number such as 000123 on each line')
    return names


def check_frames(root: Path, frames: Mapping[str, list[str]], files: Mapping[str, Path]) -> None:
    """Refuse splits that name frames of which the root holds nothing at all.

    Raises:
        FileMissingError: For the first one.
    """
    places = [
        root / f'training/{place}'
        for place in (
            'calib/{}.txt',
            'label_2/{}.txt',
            'velodyne_reduced/{}.bin',
            'velodyne/{}.bin',
        )
    ]
    for split, names in frames.items():
        for name in names:
            paths = [Path(str(place).format(name)) for place in places]
            if not any(path.is_file() for path in paths):
                raise FileMissingError(
                    f'{files[split]} names frame {name}, of which {root / "training"} holds '
                    f'nothing; {nearest_path(paths[1])}'
                )


def repeated_frames(frames: Mapping[str, list[str]]) -> Iterator[str]:
    """Sentences on frames that a split names more than once, and on those that both name."""
    for split, names in frames.items():
        again = [name for name, count in Counter(names).items() if count > 1]
        if again:
            yield (f'{split} names {len(again)} of its {len(set(names))} frames more than once, '
                   f'the first is {again[0]}')  # fmt: skip
    both = sorted(set(frames['train']) & set(frames['val']))
    if both:
        yield (f'{len(both)} of the {len(set(frames["val"]))} frames of val are trained on, the '
               f'first is {both[0]}: scores on them say nothing of new frames')  # fmt: skip
