"""Files that are damaged, and files made to run code, crash or exhaust who reads them.

Each kind knows how a whole file is written, which attacks on it there are, and how our readers read
it. Attacks make the folder ``MARKER`` where they succeed.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from projects.SRKD.base.json_file import read_records
from projects.SRKD.compat.safetensors_file import write_safetensors
from projects.SRKD.datasets.database_values import check_database
from projects.SRKD.datasets.loading import LoadPointsFromFile
from projects.SRKD.distill.cache.file import POINTS, read_tap, write_scene
from projects.SRKD.distill.cache.folder import TeacherCache
from projects.SRKD.models.weights import read_checkpoint

MARKER = 'ran'
LARGE = (2**31 - 1, 2**40, 2**62, 2**63 - 1)


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        name: Of the file, below its folder; ``{}`` takes the number of another one beside it.
        write: Writes a whole one into a folder.
        attacks: Contents of crafted ones, of the folder.
        read: Reads the one in a folder; returns what tells its content from another's.
        summed: Whether the content has a checksum: damage may not give another one.
    """

    name: str
    write: Callable[[Path], None]
    attacks: Callable[[Path], Iterator[bytes]]
    read: Callable[[Path], bytes]
    summed: bool


# Attacks of every pickle ------------------------------------------------------------------------


class _Calls:
    def __init__(self, function: Callable, *args: object, state: object = None) -> None:
        self.reduced = (function, args, state) if state is not None else (function, args)

    def __reduce__(self):
        return self.reduced


def _calls(folder: Path) -> Iterator[object]:
    """Objects that run something, or hand numpy and torch what they must not have."""
    marker = str(folder / MARKER)
    make, scalar = np.core.multiarray._reconstruct, np.core.multiarray.scalar
    yield _Calls(os.mkdir, marker)
    yield _Calls(os.system, f'mkdir {marker}')
    yield _Calls(eval, f'__import__("os").mkdir({marker!r})')
    yield _Calls(exec, f'import os; os.mkdir({marker!r})')
    yield _Calls(getattr, _Calls(__import__, 'os'), 'mkdir')
    yield _Calls(torch.load, marker)
    yield _Calls(np.fromfile, '/dev/zero')
    yield _Calls(Path.mkdir, Path(marker))
    yield _Calls(bytearray, LARGE[1])
    yield _Calls(bytes, LARGE[1])
    yield _Calls(list, _Calls(range, LARGE[1]))
    yield _Calls(str, [[]])
    yield _Calls(np.ndarray, (8,), np.dtype('u1'), b'12345678', LARGE[1])
    for shape in ((LARGE[1],), (-1,), (LARGE[2], LARGE[2]), (1,) * 99):
        yield _Calls(make, np.ndarray, (0,), b'b', state=(1, shape, np.dtype('f8'), False, b'x'))
    state = (1, (9,), np.dtype('O'), False, b'a' * 72)
    yield _Calls(make, np.ndarray, (0,), b'b', state=state)
    yield _Calls(scalar, np.dtype('O'), b'abcdefgh')
    for state in ((3, '<', None, ('a',), {'a': (np.dtype('O'), 99)}, 99, 1, 27),
                  (3, '|', None, None, None, LARGE[1], 1, 63)):  # fmt: skip
        yield _Calls(np.dtype, 'f8', False, True, state=state)


def _raw() -> Iterator[bytes]:
    """Pickles that exhaust or crash whoever reads them."""
    yield b'Nr\xff\xff\xff\x7f.'  # a memo of 16 GB
    yield b'Np9223372036854775807\n.'
    yield b']' * 200_000 + b'a' * 199_999 + b'.'
    yield b'}' + b')' + b'\x85' * 200_000 + b'Ns.'  # Python's hash of it overflows the C stack
    yield b']q\x00h\x00a.'  # a list in itself
    yield b'](](](](' + b'e' * 3 + b'.'
    for code in (b'\x8e', b'\x8d', b'\x96'):
        yield code + struct.pack('<Q', LARGE[1]) + b'x.'
    yield b'\x8b' + struct.pack('<I', 90_000) + b'\x01' * 90_000 + b'.'
    yield b'I' + b'9' * 200_000 + b'\n.'
    nest = ['x']
    for _ in range(60):
        nest = [nest, nest]
    yield pickle.dumps(nest)
    yield (
        b'c__builtin__\nset\nq\x000]('
        + b'K\x01' * 9000
        + b'eq\x010'
        + b'h\x00h\x01\x85R0' * 9000
        + b'N.'
    )
    yield pickle.dumps({i * (2**61 - 1): i for i in range(20_000)})  # keys of one hash


def _pickles(folder: Path, around: Callable[[object], object]) -> Iterator[bytes]:
    for protocol in (0, 2, 4):
        for attack in _calls(folder):
            yield pickle.dumps(around(attack), protocol)
    yield from _raw()


# Kinds ------------------------------------------------------------------------------------------


def _write_checkpoint(folder: Path) -> None:
    weights = OrderedDict(a=torch.arange(300.0).reshape(10, 30), b=torch.arange(9))
    torch.save(dict(state_dict=weights, meta=dict(epoch=3, classes=('x', 'y'))), folder / 'a.pth')


class _Reaches:
    """A tensor on four stored floats, with numbers of its own."""

    def __init__(self, *numbers: object) -> None:
        self.numbers = numbers

    def __reduce__(self):
        stored = torch.arange(4.0).storage()
        return torch._utils._rebuild_tensor_v2, (stored, *self.numbers, False, OrderedDict())


def _saved(content: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def _rezipped(raw: bytes, change: Callable[[str, bytes], bytes], **options: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, 'w', **options) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


def _checkpoints(folder: Path) -> Iterator[bytes]:
    whole = (folder / 'a.pth').read_bytes()
    for zipped in (True, False):
        for attack in _calls(folder):
            content = dict(state_dict=dict(a=torch.ones(2)), meta=attack)
            yield _saved(content, _use_new_zipfile_serialization=zipped)
        for numbers in ((0, (5,), (1,)), (LARGE[2], (1,), (1,)), (-1, (1,), (1,)),
                        (0, (LARGE[1],), (0,)), (0, (LARGE[2],) * 3, (1,) * 3), (3, (2,), (-1,)),
                        (0, (2,), (LARGE[3],)), (0, (1,) * 99, (1,) * 99)):  # fmt: skip
            yield _saved(dict(state_dict=dict(a=_Reaches(*numbers))),
                         _use_new_zipfile_serialization=zipped)  # fmt: skip
    for raw in _raw():
        yield raw
        yield _rezipped(whole, lambda name, old, raw=raw: raw if 'data.pkl' in name else old)
    code = f'__import__("os").mkdir({str(folder / MARKER)!r})\n'
    yield _saved(dict(state_dict=dict(a=torch.ones(2)), meta=dict(config=code, cfg=code)))
    yield _rezipped(whole, lambda name, old: old, compression=zipfile.ZIP_DEFLATED)
    yield _rezipped(whole, lambda name, old: bytes(1 << 26), compression=zipfile.ZIP_DEFLATED)
    program = _program(folder)
    yield program
    yield program + b'PK\x05\x06'
    yield whole + b'PK\x05\x06'


_SCRIPT = """
import torch
class Program(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(1))
    @torch.jit.export
    def __getstate__(self):
        return (torch.zeros(1), self.training)
    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.training = state[1]
        t = torch.from_file(MARKER, shared=True, size=3, dtype=torch.uint8)
        self.w = state[0] + t.sum()
    def forward(self, x: torch.Tensor):
        return x
"""


def _program(folder: Path) -> bytes:
    """A TorchScript archive that makes a file while torch loads it."""
    from importlib.util import module_from_spec, spec_from_file_location

    source = folder / 'fuzzed_program.py'
    source.write_text(_SCRIPT.replace('MARKER', repr(str(folder / MARKER))))
    spec = spec_from_file_location('fuzzed_program', source)
    module = module_from_spec(spec)
    sys.modules['fuzzed_program'] = module
    spec.loader.exec_module(module)
    torch.jit.script(module.Program()).save(str(folder / 'program.pt'))
    raw = (folder / 'program.pt').read_bytes()
    (folder / MARKER).unlink(missing_ok=True)
    return raw


def _read_weights(name: str) -> Callable[[Path], bytes]:
    def read(folder: Path) -> bytes:
        weights, meta = read_checkpoint(str(folder / name))
        values = [(key, value.dtype, value.tolist()) for key, value in weights.items()]
        return repr((values, {key: meta[key] for key in ('epoch', 'classes') if key in meta}))[
            :100_000
        ].encode()

    return read


def _write_safetensors(folder: Path) -> None:
    weights = dict(a=torch.arange(300.0).reshape(10, 30), b=torch.arange(9))
    write_safetensors(folder / 'a.safetensors', weights, dict(epoch=3, classes=['x', 'y']))


def _safetensors(folder: Path) -> Iterator[bytes]:
    tensor = dict(dtype='F32', shape=[2], data_offsets=[0, 8])
    for changed in (
        dict(shape=[LARGE[1]]), dict(shape=[LARGE[3], LARGE[3]]), dict(data_offsets=[0, LARGE[2]]),
        dict(data_offsets=[8, 0]), dict(data_offsets=[-8, 0]), dict(dtype='F7'), dict(shape='x'),
        dict(shape=[0] * 500, data_offsets=[0, 0]), dict(data_offsets=[4, 8]), dict(shape=[1, -2]),
    ):  # fmt: skip
        yield _headed(json.dumps(dict(a=tensor | changed)).encode())
    code = f'__import__("os").mkdir({str(folder / MARKER)!r})\n'
    for meta in (json.dumps(dict(config=code, cfg=code)), '[' * 200_000, '9' * 9999, '[]', '{'):
        yield _headed(json.dumps(dict(a=tensor, __metadata__=dict(meta=meta))).encode())
    for size in (0, 1, 2**27, 2**40, 2**63):
        yield struct.pack('<Q', size) + b'{}'
    yield _headed(b'{"a":' * 50_000 + b'1' + b'}' * 50_000)
    yield _headed(b'\xff' * 30)


def _headed(header: bytes) -> bytes:
    return struct.pack('<Q', len(header)) + header + bytes(8)


_ENTRY = dict(sample_id='0', lidar_points=dict(lidar_path='a.bin', num_pts_feats=4),
              pts_semantic_mask_path='a.label')  # fmt: skip


def _infos(entry: object = None) -> dict:
    entries = [_ENTRY] * 3 if entry is None else [_ENTRY, entry]
    return dict(metainfo=dict(dataset='x', scale=np.float32(2)), data_list=entries)


def _write_info(folder: Path) -> None:
    (folder / 'a.pkl').write_bytes(pickle.dumps(_infos(), 4))


def _info_attacks(folder: Path) -> Iterator[bytes]:
    yield from _pickles(folder, lambda attack: _infos() | dict(more=attack))
    for path in ('/etc/passwd', '../../etc/passwd', '/dev/zero', 'a\0b', ['a'], None, 7):
        yield pickle.dumps(_infos(dict(_ENTRY, lidar_points=dict(lidar_path=path))))
    for entry in (None, [], {}, 'text', dict(lidar_points=None), _ENTRY | dict(instances=7)):
        yield pickle.dumps(dict(metainfo={}, data_list=[entry]))


def _read_info(folder: Path) -> bytes:
    from mmdet3d.datasets import SemanticKittiDataset

    dataset = SemanticKittiDataset(
        data_root=str(folder), ann_file='a.pkl', pipeline=[],
        metainfo=dict(classes=('car',), seg_label_mapping={0: 0}, max_label=0),
    )  # fmt: skip
    return repr([dataset.get_data_info(number) for number in range(len(dataset))]).encode()


def _objects(path: object = 'a.bin', **changed: object) -> dict:
    box = np.array([9.0, 2.0, -1.0, 3.9, 1.6, 1.5, 0.1])
    return dict(Car=[dict(name='Car', path=path, box3d_lidar=box, num_points_in_gt=9) | changed])


def _write_database(folder: Path) -> None:
    (folder / 'a.pkl').write_bytes(pickle.dumps(_objects(), 4))


def _database_attacks(folder: Path) -> Iterator[bytes]:
    yield from _pickles(folder, lambda attack: _objects(box3d_lidar=attack))
    for path in ('/etc/passwd', '../../etc/passwd', None, 7):
        yield pickle.dumps(_objects(path))
    for changed in (dict(name=7), dict(num_points_in_gt='x'), dict(box3d_lidar=np.zeros(3)),
                    dict(box3d_lidar=np.full(7, np.nan)), dict(box3d_lidar=[1] * 7)):  # fmt: skip
        yield pickle.dumps(_objects(**changed))


def _read_database(folder: Path) -> bytes:
    check_database(str(folder / 'a.pkl'), ['Car'], ['num_points_in_gt'], str(folder))
    return b''


_TAP = 'backbone'
_FACTS = dict(layout=3, taps={_TAP: 4}, finished=True, views=0, seed=0)
_SCENES = dict(scan=[0], path=['a.bin'], bytes=[160])


def _write_cache(folder: Path) -> None:
    (folder / 'cache.json').write_text(json.dumps(_FACTS))
    (folder / 'scenes.json').write_text(json.dumps(_SCENES))
    rows = np.arange(10, dtype=np.int32)
    write_scene(folder / '000/000000.npy', {POINTS: rows, _TAP: np.ones((10, 4), np.float16)})


def _cache_attacks(folder: Path) -> Iterator[bytes]:
    for attack in _calls(folder):
        yield pickle.dumps(attack)
    ones = np.ones((10, 4), np.float16)
    for arrays in (
        {POINTS: np.full(10, 2**31 - 1, np.int32), _TAP: ones},
        {POINTS: np.full(10, 2**62), _TAP: ones}, {POINTS: np.ones(10), _TAP: ones},
        {POINTS: np.arange(10), 'other': ones}, {_TAP: ones},
        {POINTS: np.arange(10), _TAP: ones[:3]}, {POINTS: np.arange(10), _TAP: np.ones(10)},
        {POINTS: np.arange(10), _TAP: ones, f'{_TAP}.rows': np.full(10, 99)},
        {POINTS: np.arange(10), _TAP: ones, f'{_TAP}.classes': np.full((10, 4), 99),
         f'{_TAP}.rest': np.ones(10)},
    ):  # fmt: skip
        write_scene(folder / 'crafted.npy', arrays)
        yield (folder / 'crafted.npy').read_bytes()
    for descr in ("'|O'", f"'<f8', 'shape': ({LARGE[2]},)", f"'|V{LARGE[1]}'", '(' * 5000,
                  "[('points', '<i4', (2,)), ('crc32', '<u4')]"):  # fmt: skip
        text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (), }}".encode()
        yield b'\x93NUMPY\x01\x00' + struct.pack('<H', len(text) % 65536) + text + bytes(64)


def _read_cache(folder: Path) -> bytes:
    cache = TeacherCache(folder)
    cache.check(dict(layout=3), [_TAP])
    scene = cache.scene(0)
    rows = scene.read(POINTS, np.arange(scene.size))
    values, known = read_tap(_TAP, [(scene, rows[rows >= 0])], 4)
    return repr((rows.tolist(), values.tolist(), known.tolist(), cache.names)).encode()


def _write_points(folder: Path) -> None:
    np.random.default_rng(0).normal(0, 5, (200, 4)).astype(np.float32).tofile(folder / 'a.bin')


def _point_attacks(folder: Path) -> Iterator[bytes]:
    for value in (np.nan, np.inf, -np.inf, 1e38, 3.4e38, 1e-45):
        for column in range(4):
            points = np.zeros((20, 4), np.float32)
            points[7, column] = value
            yield points.tobytes()
    for attack in _calls(folder):
        yield pickle.dumps(attack)
    yield from (b'', b'x', bytes(15), bytes(1 << 20), b'\x93NUMPY' + bytes(10))


def _read_points(folder: Path) -> bytes:
    load = LoadPointsFromFile('LIDAR', load_dim=4, use_dim=4)
    path = str(folder / 'a.bin')
    found = load(dict(lidar_points=dict(lidar_path=path), lidar_path=path))['points']
    return found.tensor.numpy().tobytes()


def _write_json(folder: Path) -> None:
    rows = [dict(token=f'{number:032x}', filename=f'a/{number}.bin') for number in range(30)]
    (folder / 'a.json').write_text(json.dumps(rows))


def _json_attacks(folder: Path) -> Iterator[bytes]:
    yield from (b'', b'[', b'{}', b'7', b'null', b'[null]', b'[[]]', b'[{}]', b'NaN', b'\xff\xfe[')
    for opening in (b'[', b'{"a":', b'[{"token":'):
        yield opening * 300_000
    yield b'[' + b'9' * 300_000 + b']'
    yield b'[1e999999]'
    yield b'["' + b'\\ud800' * 9 + b'"]'
    for attack in _calls(folder):
        yield pickle.dumps(attack)


def _read_json(folder: Path) -> bytes:
    return repr(read_records(folder / 'a.json', ['token', 'filename'])).encode()


KINDS = {
    'checkpoint': Kind('a.pth', _write_checkpoint, _checkpoints, _read_weights('a.pth'), True),
    'safetensors': Kind('a.safetensors', _write_safetensors, _safetensors,
                        _read_weights('a.safetensors'), True),
    'info file': Kind('a.pkl', _write_info, _info_attacks, _read_info, False),
    'database': Kind('a.pkl', _write_database, _database_attacks, _read_database, False),
    'teacher cache': Kind('000/000000.npy', _write_cache, _cache_attacks, _read_cache, True),
    'table of a cache': Kind('cache.json', _write_cache, _json_attacks, _read_cache, False),
    'points': Kind('a.bin', _write_points, _point_attacks, _read_points, False),
    'JSON table': Kind('a.json', _write_json, _json_attacks, _read_json, False),
}  # fmt: skip


def damaged(whole: bytes, draw: random.Random) -> bytes:
    """One of eight damages to a file."""
    raw, at = bytearray(whole), draw.randrange(len(whole))
    size = draw.choice((1, 4, 16, 64, 512))
    damage = draw.randrange(8)
    if damage == 0:
        raw[at] ^= 1 << draw.randrange(8)
    elif damage == 1:
        raw[at : at + size] = bytes(len(raw[at : at + size]))
    elif damage == 2:
        del raw[at:]
    elif damage == 3:
        raw += draw.randbytes(size)
    elif damage == 4:
        del raw[at : at + size]
    elif damage == 5:
        raw[at:at] = raw[at : at + size]
    elif damage == 6:
        raw[at : at + size] = draw.randbytes(size)
    else:
        number = struct.pack('<Q', draw.choice((0, *LARGE, 2**64 - 1)))
        width = draw.choice((1, 2, 4, 8))
        raw[at : at + width] = number[:width]
    return bytes(raw)
