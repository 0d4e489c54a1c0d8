"""Damaged and crafted files of labels: masks, lists of scans, class histograms."""

from __future__ import annotations

import io
import pickle
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hostile_files import KINDS as OTHERS
from hostile_files import LARGE, Kind, _calls
from mmdet3d.datasets import ScanNetSegDataset
from mmdet3d.registry import DATASETS

from projects.SRKD.compat.mmdet3d_scene_idxs import check_scene_idxs, read_scene_idxs
from projects.SRKD.datasets.batches.class_histogram import cache_path, class_histograms
from projects.SRKD.datasets.loading import LoadAnnotations3D

_POINTS, _CLASSES, _SCANS = 200, 20, 6


def _labels(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, _CLASSES, _POINTS)


def _write_mask(folder: Path) -> None:
    _labels().tofile(folder / 'a.bin')


def _mask_attacks(folder: Path) -> Iterator[bytes]:
    for value in (-1, _CLASSES, 255, -(2**63), *LARGE):
        mask = _labels()
        mask[7] = value
        yield mask.tobytes()
    for attack in _calls(folder):
        yield pickle.dumps(attack)
    yield from (b'', b'x', bytes(8), bytes(1 << 20), _saved(_labels()))


def _read_mask(folder: Path) -> bytes:
    load = LoadAnnotations3D(
        with_bbox_3d=False, with_label_3d=False, with_seg_3d=True, seg_3d_dtype='np.int64'
    )
    mapping = np.arange(_CLASSES)
    found = load(
        dict(
            pts_semantic_mask_path=str(folder / 'a.bin'),
            seg_label_mapping=mapping,
            points=np.zeros((_POINTS, 4)),
            ann_info={},
            eval_ann_info={},
        )
    )
    return found['pts_semantic_mask'].tobytes()


def _saved(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def _write_scans(folder: Path) -> None:
    np.save(folder / 'a.npy', np.arange(_SCANS).repeat(2))


def _npy_headers() -> Iterator[bytes]:
    for descr in ("'|O'", f"'<f8', 'shape': ({LARGE[2]},)", f"'|V{LARGE[1]}'", '(' * 5000):
        text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (), }}".encode()
        yield b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text) % 65536) + text + bytes(64)


def _scan_attacks(folder: Path) -> Iterator[bytes]:
    for attack in _calls(folder):
        yield pickle.dumps(attack)
        yield _saved(np.array([attack, 1], dtype=object), allow_pickle=True)
    for numbers in ([-1], [_SCANS], [0.5], [np.nan], [[0]], [], [True], ['a'], [1j], [2**62]):
        yield _saved(np.array(numbers))
    file = io.BytesIO()
    np.savez(file, a=np.arange(3))
    yield file.getvalue()
    yield from _npy_headers()


def _read_scans(folder: Path) -> bytes:
    numbers = read_scene_idxs(str(folder / 'a.npy'))
    return check_scene_idxs(numbers, 'scene_idxs', _SCANS).tobytes()


def _data_set(folder: Path):
    names = [f'{number}.bin' for number in range(3)]
    infos = [dict(lidar_points=dict(lidar_path=name), pts_semantic_mask_path=name)
             for name in names]  # fmt: skip
    if not (folder / 'a.pkl').exists():
        (folder / 'a.pkl').write_bytes(
            pickle.dumps(
                dict(metainfo={}, data_list=infos),
                4,
            )
        )
        (folder / 'masks').mkdir()
        for number, name in enumerate(names):
            _labels(number).tofile(folder / 'masks' / name)
    load = dict(type='LoadAnnotations3D', with_bbox_3d=False, with_label_3d=False,
                with_seg_3d=True, seg_3d_dtype='np.int64')  # fmt: skip
    return DATASETS.build(
        dict(
            type='mmdet3d.ScanNetSegDataset',
            data_root=str(folder),
            ann_file='a.pkl',
            metainfo=dict(classes=ScanNetSegDataset.METAINFO['classes']),
            pipeline=[load],
            scene_idxs=[0, 1, 2],
            data_prefix=dict(pts='points', pts_semantic_mask='masks'),
        )
    )


def _read_histograms(folder: Path) -> bytes:
    data_set = _data_set(folder)
    return class_histograms(data_set, [data_set.get_data_info(i) for i in range(3)]).tobytes()


def _write_histograms(folder: Path) -> None:
    _read_histograms(folder)
    assert cache_path(_data_set(folder)) == folder / _HISTOGRAMS


def _histogram_attacks(folder: Path) -> Iterator[bytes]:
    for attack in _calls(folder):
        yield pickle.dumps(attack)
        file = io.BytesIO()
        np.savez(file, fingerprint=np.array([attack], dtype=object), mask=np.arange(3))
        yield file.getvalue()
    yield from (b'', b'x', b'PK\x05\x06' + bytes(18), bytes(1 << 20))
    yield from _npy_headers()
    with np.load(folder / _HISTOGRAMS) as stored:
        whole = dict(stored)
    counts = whole['histogram']
    for changed in (
        dict(histogram=counts[:1]), dict(histogram=counts * 0), dict(histogram=counts * 1.0),
        dict(histogram=counts[0]), dict(mask=np.arange(3)), dict(mask=whole['mask'][:0]),
        dict(histogram=counts - 99), dict(fingerprint=np.arange(2)),
        dict(histogram=counts[:, :3]), dict(mask=whole['mask'].reshape(-1, 1)),
    ):  # fmt: skip
        file = io.BytesIO()
        np.savez(file, **whole | changed)
        yield file.getvalue()


_HISTOGRAMS = 'a.classes.npz'
KINDS = OTHERS | {
    'mask': Kind('a.bin', _write_mask, _mask_attacks, _read_mask, False),
    'list of scans': Kind('a.npy', _write_scans, _scan_attacks, _read_scans, False),
    # the masks are there: whatever is wrong with it, it is counted anew
    'class histograms': Kind(_HISTOGRAMS, _write_histograms, _histogram_attacks, _read_histograms,
                             True),
}  # fmt: skip
