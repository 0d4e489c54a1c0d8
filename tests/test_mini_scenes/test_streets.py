"""Both writers of procedural streets: equal seeds give equal bytes, nothing half-written stays."""

import hashlib
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from projects.MiniScenes.streets import (
    nuscenes_writer,
    semantickitti_writer,
    write_nuscenes,
    write_semantickitti,
)

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'make_mini_data.py'
SMALL = dict(scans=2, beams=16, azimuth_steps=200)
WRITERS = dict(semantickitti=write_semantickitti, nuscenes=write_nuscenes)
MODULES = dict(semantickitti=semantickitti_writer, nuscenes=nuscenes_writer)
UNITS = dict(semantickitti='sequences', nuscenes='scenes')
layouts = pytest.mark.parametrize('layout', WRITERS)


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


@layouts
def test_equal_seeds_give_equal_bytes_in_another_process_with_other_threads(layout, tmp_path):
    here = WRITERS[layout](tmp_path / 'here', 2, 1, **SMALL, seed=4)
    out = tmp_path / 'there'
    command = [sys.executable, str(TOOL), layout, '--out', str(out), f'--{UNITS[layout]}', '2']
    command += ['--scans', '2', '--beams', '16', '--azimuth-steps', '200', '--seed', '4']
    environment = dict(os.environ, PYTHONHASHSEED='7', OMP_NUM_THREADS='2', PYTHONPATH=str(ROOT))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert digests(out) == digests(here)
    assert done.stdout == f'4 + 2 scans in {out}\n'
    assert 'streets: 6/6' in done.stderr


@layouts
def test_scan_k_does_not_depend_on_the_counts(layout, tmp_path):
    few = digests(WRITERS[layout](tmp_path / 'few', 2, 1, **SMALL))
    more = digests(WRITERS[layout](tmp_path / 'more', 3, 2, **SMALL | dict(scans=3)))
    scans = {name: digest for name, digest in few.items() if name.endswith(('.bin', '.label'))}
    assert len(scans) == 3 * 2 * 2 and scans.items() <= more.items()
    assert len(set(scans.values())) == len(scans)


@layouts
def test_another_seed_gives_other_scans(layout, tmp_path):
    one, other = (digests(WRITERS[layout](tmp_path / str(seed), 1, 0, **SMALL, seed=seed))
                  for seed in (0, 1))  # fmt: skip
    assert not {d for n, d in one.items() if n.endswith('.bin')} & set(other.values())


@layouts
def test_an_interrupted_run_leaves_nothing(layout, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(MODULES[layout], 'write_infos', interrupt)
    with pytest.raises(KeyboardInterrupt):
        WRITERS[layout](tmp_path / 'streets', 1, 1, **SMALL)
    assert list(tmp_path.iterdir()) == []


@layouts
def test_a_folder_with_other_data_is_left_alone_unless_forced(layout, tmp_path):
    (tmp_path / 'thesis.tex').write_text('years of work')
    with pytest.raises(FileExistsError, match='is not an empty folder; --force replaces it'):
        WRITERS[layout](tmp_path, 1, 0, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']
    WRITERS[layout](tmp_path, 1, 0, **SMALL, force=True)
    assert not (tmp_path / 'thesis.tex').exists()
    assert (tmp_path / f'{layout}_infos_train.pkl').exists()


@layouts
def test_the_tool_says_in_one_line_why_it_refuses(layout, tmp_path, monkeypatch, misuse):
    out = tmp_path / 'streets'
    monkeypatch.setattr(
        sys, 'argv', ['make_mini_data.py', layout, '--out', str(out), '--beams', '99']
    )
    with misuse('^make_mini_data.py: beams must lie between 2 and'):
        runpy.run_path(str(TOOL), run_name='__main__')
    assert not out.exists()
