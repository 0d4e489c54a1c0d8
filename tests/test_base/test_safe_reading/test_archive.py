"""Zip archives: each byte that is read is compared with a checksum, and no program is taken."""

import importlib.util
import random
import sys
import zipfile

import pytest
import torch

from projects.SRKD.base.safe_reading import WEIGHT_NAMES, UnreadableError, read_archive

SCRIPT = """
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
        t.copy_(torch.tensor([79, 75, 10], dtype=torch.uint8))
        self.w = state[0] + t.sum()
    def forward(self, x: torch.Tensor):
        return x
"""


def read(path):
    return read_archive(path, WEIGHT_NAMES, lambda storage, location: storage)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / 'a.pth'
    torch.save(dict(weights=torch.randn(20_000), ids=torch.arange(9), name='x'), path)
    return path


def copied(path, change=lambda name, raw: raw, kind=zipfile.ZIP_STORED, more=()):
    with zipfile.ZipFile(path) as old:
        members = [(name, old.read(name)) for name in old.namelist()]
    with zipfile.ZipFile(path, 'w', kind) as new:
        for name, raw in [(name, change(name, raw)) for name, raw in members] + list(more):
            new.writestr(name, raw)
    return path


@pytest.mark.parametrize('damage', ['bit', 'block'])
def test_damage_is_found_or_harmless(path, damage):
    whole, content = path.read_bytes(), read(path)
    draw, found = random.Random(0), 0
    for _ in range(40):
        raw, at = bytearray(whole), draw.randrange(len(whole))
        if damage == 'bit':
            raw[at] ^= 1 << draw.randrange(8)
        else:
            raw[at : at + 512] = bytes(len(raw[at : at + 512]))
        path.write_bytes(raw)
        try:
            same = read(path)
        except UnreadableError:
            found += 1
        else:  # between the members
            assert torch.equal(same['weights'], content['weights'])
            assert torch.equal(same['ids'], content['ids'])
    assert found > 35


def test_a_program_is_never_started(tmp_path):
    marker, path = tmp_path / 'marker', tmp_path / 'program.pth'
    source = tmp_path / 'program_source.py'
    source.write_text(SCRIPT.replace('MARKER', repr(str(marker))))
    spec = importlib.util.spec_from_file_location('program_source', source)
    module = importlib.util.module_from_spec(spec)
    sys.modules['program_source'] = module
    spec.loader.exec_module(module)
    torch.jit.script(module.Program()).save(str(path))
    marker.unlink(missing_ok=True)
    with pytest.raises(UnreadableError, match='TorchScript program'):
        read(path)
    with path.open('ab') as file:
        file.write(b'PK\x05\x06')  # now Python sees no archive, and torch sees one
    with pytest.raises(UnreadableError):
        read(path)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # the attack is real


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda path: copied(path, kind=zipfile.ZIP_DEFLATED), 'compressed'),
        (lambda path: copied(path, more=[('a/constants.pkl', b'')]), 'TorchScript'),
        (lambda path: copied(path, more=[('a/code/x.py', b'')]), 'TorchScript'),
        (lambda path: copied(path, more=[('other/data.pkl', b'N.')]), 'without one data.pkl'),
        (lambda path: copied(path, lambda name, raw: raw[:-8] if 'data/' in name else raw),
         'size that is told'),
        (lambda path: copied(path, lambda name, raw: b'big' if 'byteorder' in name else raw),
         'byte order'),
        (lambda path: copied(path, lambda name, raw: b'N' if 'data.pkl' in name else raw),
         'ends too early'),
    ],
)  # fmt: skip
def test_other_archives_are_refused(path, change, said):
    change(path)
    with pytest.raises(UnreadableError, match=said):
        read(path)


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_two_members_of_one_name_are_refused(path):
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('a/data.pkl', b'N.')
    with pytest.raises(UnreadableError, match='without one data.pkl'):
        read(path)


def test_an_archive_without_checksums_is_read_with_a_word(path):
    content = read(path)
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(content, path)
    finally:
        torch.serialization.set_crc32_options(True)
    with pytest.warns(UserWarning, match='saved without checksums'):
        assert torch.equal(read(path)['weights'], content['weights'])


def test_each_storage_goes_to_its_device_once(path):
    seen = []
    read_archive(path, WEIGHT_NAMES, lambda storage, where: seen.append(where) or storage)
    assert seen == ['cpu', 'cpu']
