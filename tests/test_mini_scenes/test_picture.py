"""The tool that draws a generated scan beside a real one."""

import runpy
import sys
from pathlib import Path

import numpy as np
from matplotlib.image import imread

from projects.MiniScenes.streets import write_semantickitti

TOOL = Path(__file__).resolve().parents[2] / 'tools/analysis_tools/compare_scans.py'


def run(monkeypatch, *args: object) -> None:
    monkeypatch.setattr(sys, 'argv', ['compare_scans.py', *map(str, args)])
    runpy.run_path(str(TOOL), run_name='__main__')


def test_classes_are_numbered_as_semantickittidataset_numbers_them(tmp_path):
    np.zeros((7, 4), np.float32).tofile(tmp_path / 'a.bin')
    raw = np.array([10, 252, 60 | 5 << 16, 81, 52, 0, 259], np.uint32)
    raw.tofile(tmp_path / 'a.label')
    read = runpy.run_path(str(TOOL))['read_scan']
    name, points, label = read(f'mine={tmp_path}/a.bin,{tmp_path}/a.label')
    assert name == 'mine' and points.shape == (7, 4)
    assert label.tolist() == [0, 0, 8, 18, 19, 19, 4]


def test_it_draws_two_by_two_panels(tmp_path, monkeypatch):
    root = write_semantickitti(tmp_path / 'data', 1, 0, 2, azimuth_steps=200) / 'sequences/00'
    scans = [f's{k}={root}/velodyne/{k:06d}.bin,{root}/labels/{k:06d}.label' for k in (0, 1)]
    run(monkeypatch, tmp_path / 'new/two.png', *scans)
    picture = imread(tmp_path / 'new/two.png')[..., :3]
    height, width = (size // 2 for size in picture.shape[:2])
    panels = [picture[r : r + height, c : c + width] for r in (0, height) for c in (0, width)]
    assert all((panel.max(2) > 0.3).mean() > 0.002 for panel in panels)
    red, green, blue = np.moveaxis(picture, 2, 0)
    pink = (red > 0.35) & (green < 0.1) & (blue > 0.35)  # road; viridis has no such hue
    assert pink[:height].sum() > 1000 and pink[height : int(1.8 * height)].sum() == 0


def test_labels_of_another_scan_are_refused_in_one_sentence(tmp_path, monkeypatch, misuse):
    np.zeros((3, 4), np.float32).tofile(tmp_path / 'a.bin')
    np.zeros(2, np.uint32).tofile(tmp_path / 'a.label')
    scan = f'a={tmp_path}/a.bin,{tmp_path}/a.label'
    with misuse('a.label has 2 labels for 3 points$'):
        run(monkeypatch, tmp_path / 'x.png', scan, scan)
    with misuse("NAME=POINTS,LABELS, but got 'a'$"):
        run(monkeypatch, tmp_path / 'x.png', 'a', 'b')
