"""Data sets damaged in one place, each with what must come of it.

A mutant carries its expectation: ``REFUSED`` in words that name the file or scan, ``SAME`` tensors
as its unbroken twin, or ``UNSEEN``, with the reason, where no reader could know.
"""

import copy
import pickle
import random
import re
import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from mmdet3d.registry import DATASETS
from mmengine.config import Config
from mmengine.runner.base_loop import BaseLoop

from projects.SRKD.base import UsageError
from projects.SRKD.preflight.feature_ranges import tell_feature_ranges
from projects.SRKD.preflight.files import check_files, check_samples
from projects.SRKD.preflight.object_database import check_ground_planes, check_objects

REFUSED, SAME, UNSEEN = 'refused', 'same', 'unseen'
_NAMES = r'\w\.(bin|label|pkl)\b'  # a file or scan
CONFIGS = Path(__file__).parents[1] / 'configs/_base_/datasets'


class Mutant(NamedTuple):
    """A damage to one file.

    Args:
        file: path below the root.
        damage: bytes before -> bytes after; None deletes the file, 'folder' makes it one.
        expected: REFUSED, SAME or UNSEEN.
        reason: why nobody can see it, or '' where it can be seen.
    """

    file: str
    damage: Callable[[bytes], bytes] | str | None
    expected: str = REFUSED
    reason: str = ''


def parametrized(mutants: dict[str, Mutant]):
    """Run a test once for each mutant."""
    for name, mutant in mutants.items():
        assert (mutant.expected == UNSEEN) == bool(mutant.reason), name
    return pytest.mark.parametrize('mutant', [pytest.param(m, id=n) for n, m in mutants.items()])


def merged(*tables: dict[str, Mutant]) -> dict[str, Mutant]:
    """One table of several without a name in two of them."""
    table = {name: mutant for part in tables for name, mutant in part.items()}
    assert len(table) == sum(map(len, tables))
    return table


class Root:
    """A data set on disk, how it is read, and what it gives unbroken."""

    def __init__(self, path: Path, dataset: dict) -> None:
        self.path = path
        self.dataset = dict(dataset, serialize_data=False)  # which collects garbage, at length
        self.twin = self.read()

    def read(self) -> list[dict]:
        """Ask what a run asks first, then load every sample."""
        _seed(0)
        dataset = DATASETS.build(copy.deepcopy(self.dataset))
        runner = SimpleNamespace(_train_loop=_Loop(dataset), _val_loop=None, _test_loop=None)
        for check in (tell_feature_ranges, check_samples, check_ground_planes, check_objects,
                      check_files):  # fmt: skip
            check(runner)
        samples = []
        for i in range(len(dataset)):
            _seed(i)
            samples.append(_tensors(dataset.prepare_data(i)))
        return samples

    def judge(self, mutant: Mutant) -> None:
        """Fail if a mutant ends otherwise than it must."""
        with _damaged(self.path, mutant):
            if mutant.expected == REFUSED:
                with pytest.raises(UsageError) as told:
                    self.read()
                assert re.search(_NAMES, str(told.value)), str(told.value)
            else:
                same = _equal(self.twin, self.read())
                assert same == (mutant.expected == SAME), 'another result than expected'


def _seed(number: int) -> None:
    """Of what a pipeline draws."""
    np.random.seed(number)
    random.seed(number)


class _Loop(BaseLoop):
    """A loop that has a data set."""

    def __init__(self, dataset) -> None:
        self.dataloader = SimpleNamespace(dataset=dataset)

    def run(self) -> None:
        """Nothing runs."""


@contextmanager
def _damaged(root: Path, mutant: Mutant):
    path = root / mutant.file
    before = path.read_bytes()
    after = mutant.damage(before) if callable(mutant.damage) else None
    path.unlink()
    if mutant.damage == 'folder':
        path.mkdir()
    elif after is not None:
        path.write_bytes(after)
    try:
        yield
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        path.write_bytes(before)


def _tensors(sample: dict) -> dict[str, torch.Tensor]:
    packed = sample['data_samples']
    truth, boxes = packed.gt_pts_seg, packed.gt_instances_3d
    tensors = dict(points=sample['inputs']['points'])
    if 'pts_semantic_mask' in truth:
        tensors['labels'] = torch.as_tensor(truth.pts_semantic_mask)
    if 'bboxes_3d' in boxes:
        tensors.update(boxes=boxes.bboxes_3d.tensor, labels=torch.as_tensor(boxes.labels_3d))
    return tensors


def _equal(twin: list[dict], samples: list[dict]) -> bool:
    return len(twin) == len(samples) and all(
        a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
        for a, b in zip(twin, samples)
    )


def config(name: str) -> Config:
    """A shipped config of a data set."""
    return Config.fromfile(CONFIGS / name)


# Damages of bytes


def cut(count: int) -> Callable[[bytes], bytes]:
    """Without its last bytes."""
    return lambda content: content[:-count]


def instead(content: bytes) -> Callable[[bytes], bytes]:
    """Something else in its place."""
    return lambda _: content


def rewritten(dtype, change: Callable, columns: int = 1) -> Callable[[bytes], bytes]:
    """``change`` an array, (n, columns)."""

    def damage(content: bytes) -> bytes:
        array = np.frombuffer(content, dtype).reshape(-1, columns).copy()
        return np.ascontiguousarray(change(array)).tobytes()

    return damage


def put(row: int, column: int, value: float) -> Callable:
    """One value of an array."""

    def change(array: np.ndarray) -> np.ndarray:
        array[row, column] = value
        return array

    return change


def content_changed(change: Callable, protocol: int = 4) -> Callable[[bytes], bytes]:
    """``change`` what is pickled; it returns the new content, or None for the changed old."""

    def damage(content: bytes) -> bytes:
        before = pickle.loads(content)
        after = change(before)
        return pickle.dumps(before if after is None else after, protocol)

    return damage


def entry_set(where: str, value, entry: int = 1) -> Callable[[bytes], bytes]:
    """Set, or with ``...`` delete, what lies at ``a.b.0`` of an entry."""

    def change(content: dict) -> None:
        node = content['data_list'][entry]
        *path, last = (int(key) if key.isdigit() else key for key in where.split('.'))
        for key in path:
            node = node[key]
        if value is ...:
            del node[last]
        else:
            node[last] = value

    return content_changed(change)


# Tables that all layouts share

WHOLE = {
    'missing': None, 'a folder': 'folder', 'empty': instead(b''),
    'one byte': instead(b'\0'), 'text': instead(b'this is a text, 45 bytes and no points at all'),
    'a picture': instead(b'\xff\xd8\xff\xe0\x00\x10JFIF' + bytes(range(251)) * 4),
    'a web page': instead(b'<html><body>404 not found</body></html>\n'),
    'a pointer of Git LFS': instead(b'version https://git-lfs.github.com/spec/v1\nsize 4\n'),
}  # fmt: skip


def whole_files(kind: str, file: str) -> dict[str, Mutant]:
    """A file that is not there or is something else."""
    return {f'{kind}: {name}': Mutant(file, damage) for name, damage in WHOLE.items()}


def points_mutants(
    file: str, columns: int, masked: bool, largest: float, colors: bool = False
) -> dict[str, Mutant]:
    """Damages to points of float32.

    Args:
        file: below the root.
        columns: of a point.
        masked: whether a mask tells how many points there are.
        largest: value of the feature in column 3.
        colors: whether columns 3 to 5 are colors, which say little of themselves.
    """

    def change(function: Callable) -> Callable:
        return rewritten(np.float32, function, columns)

    table = {f'cut by {n} bytes': cut(n) for n in (1, 2, 3, 4, 4 * columns - 1)}
    table |= {f'{n} bytes more': lambda c, n=n: c + bytes(n) for n in (1, 2, 4)}
    for name, value in dict(NaN=np.nan, inf=np.inf, minus_inf=-np.inf).items():
        table |= {f'{name} in column {c}': change(put(3, c, value)) for c in range(columns)}
    for value in (1e6, -1e6, 1e9, -1e9, 3e38):
        table |= {f'{value:g} in column {c}': change(put(3, c, value)) for c in range(3)}
    for value in (-1, 2 * largest, 1e30, -1e30):
        table[f'feature {value:g}'] = change(put(3, 3, value))
    table |= {
        'features x 255': change(lambda a: a * np.r_[1, 1, 1, [255] * (columns - 3)]
                                 .astype(np.float32)),
        'UTM': change(lambda a: a + np.r_[448262, 5411933, [0] * (columns - 2)]
                      .astype(np.float32)),
        'millimeters': change(lambda a: a * np.r_[[1000] * 3, [1] * (columns - 3)]
                              .astype(np.float32)),
        'zeros': change(np.zeros_like),
        'float64': change(lambda a: a.astype(np.float64)),
        'float16': change(lambda a: a.astype(np.float16)),
        'int32': change(lambda a: a.astype(np.int32)),
        'big-endian': change(lambda a: a.byteswap()),
        '3 columns': change(lambda a: a[:, :3]),
        'a column less': change(lambda a: a[:, 1:]),
        'a column more': change(lambda a: np.c_[a, a[:, :1]]),
        'columns turned round': change(lambda a: a[:, ::-1]),
        'npy': lambda c: b'\x93NUMPY' + b"{'descr': '<f4', 'fortran_order': False}".ljust(122) + c,
        'header': lambda c: b'# .PCD v0.7\nFIELDS x y z'.ljust(4 * columns * 4) + c,
    }  # fmt: skip
    counted = {
        'a point less': cut(4 * columns),
        'first half alone': lambda c: c[: len(c) // (8 * columns) * 4 * columns],
        'twice': lambda c: c + c,
    }
    mutants = {f'points: {name}': Mutant(file, damage) for name, damage in table.items()}
    unseen = dict(expected=UNSEEN, reason='no other file tells how many points there are')
    for name, damage in counted.items():
        mutants[f'points: {name}'] = Mutant(file, damage, **({} if masked else unseen))
    if colors:
        mutants['points: columns turned round'] = Mutant(
            file, table['columns turned round'], UNSEEN,
            'meters are colors as good as any, and a room may be 255 m long')  # fmt: skip
    mutants['points: minus zeros'] = Mutant(file, change(lambda a: a - np.float32(0)), SAME)
    return merged(whole_files('points', file), mutants)


def mask_mutants(file: str, dtype, unknown: list[int]) -> dict[str, Mutant]:
    """Damages to a mask of one label per point."""

    def change(function: Callable) -> Callable:
        return rewritten(dtype, function)

    size = np.dtype(dtype).itemsize
    table = {f'cut by {n} bytes': cut(n) for n in (1, size, 2 * size)}
    table |= {f'{n} bytes more': lambda c, n=n: c + bytes(n) for n in (1, size, 2 * size)}
    table |= {f'id {label}': change(put(5, 0, label)) for label in unknown}
    table |= {f'as {np.dtype(other)}': change(lambda a, other=other: a.astype(other))
              for other in (np.uint8, np.uint16, np.float16, np.float32, np.float64,
                            *({np.int32, np.int64} - {dtype}))}  # fmt: skip
    table |= {
        'half of it': lambda c: c[: len(c) // 2],
        'twice': lambda c: c + c,
        'NaN': change(lambda a: np.full(len(a), np.nan, f'f{size}')),
        'big-endian': change(lambda a: a.byteswap()),
        'all ids unknown': change(lambda a: np.full_like(a, unknown[0])),
        'npy': lambda c: b'\x93NUMPY' + b"{'descr': '<i8', 'fortran_order': False}".ljust(122) + c,
    }
    mutants = {f'mask: {name}': Mutant(file, damage) for name, damage in table.items()}
    return merged(whole_files('mask', file), mutants)


def info_mutants(file: str, columns_told: str = SAME) -> dict[str, Mutant]:
    """Damages to an info file and to what an entry says of its points.

    Args:
        file: below the root.
        columns_told: what comes of an entry without ``num_pts_feats``.
    """
    table = {
        'half of it': lambda c: c[: len(c) // 2], 'cut by a byte': cut(1),
        'first byte lost': lambda c: c[1:], 'zeros': lambda c: bytes(len(c)),
        'JSON': instead(b'{"metainfo": {}, "data_list": [1]}'),
        'an unknown module': instead(b'cmodule_that_is_not_there\nname\n.'),
    }  # fmt: skip
    contents = {
        'a list': lambda c: c['data_list'], 'text in it': lambda c: 'text', 'a number': lambda c: 3,
        'infos of mmdet3d 0.x': lambda c: dict(infos=c['data_list'], metadata={}),
        'no metainfo': lambda c: dict(data_list=c['data_list']),
        'no data_list': lambda c: dict(metainfo=c['metainfo']),
        'data_list None': lambda c: dict(c, data_list=None),
        'data_list a dict': lambda c: dict(c, data_list=dict(enumerate(c['data_list']))),
        'data_list empty': lambda c: dict(c, data_list=[]),
        'metainfo a list': lambda c: dict(c, metainfo=[]),
        'an entry None': lambda c: dict(c, data_list=[*c['data_list'], None]),
        'an entry a list': lambda c: dict(c, data_list=[[], *c['data_list']]),
        'an entry a number': lambda c: dict(c, data_list=[3]),
        'an entry empty': lambda c: dict(c, data_list=[{}, *c['data_list']]),
    }  # fmt: skip
    table |= {name: content_changed(change) for name, change in contents.items()}
    for key, values in {
        'lidar_points': (..., None, 3, [], 'a.bin', {}),
        'lidar_points.lidar_path': (..., None, 3, [], '', 'gone.bin', '.', 'a/b/c.bin'),
        'lidar_points.num_pts_feats': (3, 7, 'four', 0, -4, float('nan')),
    }.items():
        table |= {f'{key} {"gone" if value is ... else repr(value)}': entry_set(key, value)
                  for value in values}  # fmt: skip
    mutants = {f'infos: {name}': Mutant(file, damage) for name, damage in table.items()}
    same = {f'pickle protocol {n}': content_changed(lambda c: None, n) for n in (0, 2, 3, 5)} | {
        'a key more': entry_set('a_key_of_ours', 1),
        'metainfo with more': content_changed(lambda c: c['metainfo'].update(version='x')),
    }
    mutants |= {f'infos: {name}': Mutant(file, damage, SAME) for name, damage in same.items()}
    mutants['infos: no num_pts_feats'] = Mutant(
        file, entry_set('lidar_points.num_pts_feats', ...), columns_told)  # fmt: skip
    return merged(whole_files('infos', file), mutants)


INSTANCES = {
    'instances': (..., None, 3, 'text', {}),
    'instances.0': (None, 3, [], {}),
    'instances.0.bbox_3d': (..., None, 3, 'a box', [], [1, 2], [[1] * 7]),
    'instances.0.bbox_label_3d': (..., None, 77, -2, 'Car', [1]),
}


def box_mutants(file: str, box: list[float], long: tuple[int, ...]) -> dict[str, Mutant]:
    """Damages to the objects of an info file.

    Args:
        file: below the root.
        box: a good one.
        long: its columns that hold sides.
    """
    table = {f'{key} {"gone" if value is ... else repr(value)}': entry_set(key, value)
             for key, values in INSTANCES.items() for value in values}  # fmt: skip

    def other(column: int, value) -> Callable[[bytes], bytes]:
        changed = [value if i == column else number for i, number in enumerate(box)]
        return entry_set('instances.0.bbox_3d', changed)

    values = {column: [np.nan, np.inf, -np.inf, 1e9, None, 'x'] for column in range(7)}
    for column in long:
        values[column] += [0, -1, 500]
    values[6].remove(1e9)  # an angle
    table |= {f'box with {value} in column {column}': other(column, value)
              for column in values for value in values[column]}  # fmt: skip
    table['box without sides'] = entry_set('instances.0.bbox_3d', [*box[:3], 0, 0, 0, 0])
    mutants = {f'infos: {name}': Mutant(file, damage) for name, damage in table.items()}
    mutants['infos: box an array'] = Mutant(file, content_changed(_boxes_as_arrays), SAME)
    return mutants


def _boxes_as_arrays(content: dict) -> None:
    for entry in content['data_list']:
        for instance in entry['instances']:
            instance['bbox_3d'] = np.array(instance['bbox_3d'])
