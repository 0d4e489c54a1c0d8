"""A sample of the damaged and crafted files: none runs code, crashes, hangs or takes a GiB."""

import os
import time

import pytest

pytest.importorskip('mmdet3d')
import projects.SRKD  # noqa: E402, F401 - applies the cures

FILES = 20  # of each kind
KINDS = ('checkpoint', 'safetensors', 'info file', 'database', 'teacher cache', 'table of a cache',
         'points', 'JSON table', 'mask', 'list of scans', 'class histograms')  # fmt: skip
REBUILT = ('class histograms',)  # and never refused
pytestmark = [
    pytest.mark.filterwarnings('ignore'),  # fork beside threads; deprecated makers of attacks
    pytest.mark.skipif(not os.path.exists('/proc/self/status'), reason='limits are those of Linux'),
]


@pytest.mark.parametrize('name', KINDS)
def test_every_file_is_read_or_refused_in_a_sentence(benchmark, name):
    kind = benchmark('hostile_labels').KINDS[name]
    found = benchmark('fuzz_files').fuzz(kind, FILES, seed=1)
    assert len(found) == FILES
    assert [one for one in found if one.name not in ('read', 'refused')] == []
    refused = sum(one.name == 'refused' for one in found)
    assert refused == 0 if name in REBUILT else refused >= FILES // 4


def test_every_kind_is_tried(benchmark):
    assert set(benchmark('hostile_labels').KINDS) == set(KINDS)


def harm(action):
    def read(folder):
        action(folder)
        return b''

    return read


@pytest.mark.parametrize(
    ('action', 'name'),
    [
        (lambda folder: (folder / 'ran').mkdir(), 'code runs'),
        (lambda folder: os.abort(), 'crashes'),
        (lambda folder: os._exit(0), 'crashes'),
        (lambda folder: time.sleep(60), 'hangs'),
        (lambda folder: bytearray(1 << 32), 'other errors'),
        (lambda folder: {}['key'], 'other errors'),
        (lambda folder: None, 'read'),
    ],
)
def test_harm_is_noticed(benchmark, monkeypatch, tmp_path, action, name):
    fuzz_files = benchmark('fuzz_files')
    monkeypatch.setattr(fuzz_files, 'SECONDS', 5)
    assert fuzz_files.read_apart(harm(action), tmp_path).name == name


def test_a_table_counts_by_kind(benchmark):
    fuzz_files = benchmark('fuzz_files')
    one = fuzz_files.Outcome('refused', 'a', 0.25, 3.0)
    rows = fuzz_files.table({'points': [one, one._replace(name='read', seconds=1.5)]}).splitlines()
    assert rows[2] == '| points | 2 | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 1.50 | 3 |'
