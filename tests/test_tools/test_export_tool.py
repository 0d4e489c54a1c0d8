"""The tool writes a student in both forms and says what each is worth."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import torch
from toy import save_checkpoint
from toy_export import segmentor, write_config

from projects.SRKD.analysis.networks import build_network, read_plain, read_scenes
from projects.SRKD.export.onnx_student import OnnxStudent

TOOL = Path(__file__).parents[2] / 'tools/export.py'


@pytest.fixture
def export(monkeypatch):
    spec = spec_from_file_location('export_tool', TOOL)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    def export(*args):
        monkeypatch.setattr(sys, 'argv', ['export.py', *map(str, args)])
        module.main()

    return export


def test_a_distilled_student_is_written_and_compared(export, tmp_path, capsys):
    whole = dict(type='DistillSegmentor', student=segmentor(20), teacher=dict(config='not read'))
    config = write_config(tmp_path, whole)
    checkpoint = save_checkpoint(segmentor(20), tmp_path / 'student.pth')
    out = tmp_path / 'car' / 'student.onnx'
    export(config, checkpoint, out, '--int8', '--calibrate', '2', '--score', '--threads', '1')
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('| ')]
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert cells[0] == ['network', 'bytes', 'ms/scan', 'error', 'miou']
    files = out, out.with_name('student.int8.onnx')
    assert [row[0] for row in cells[1:]] == ['torch', 'student.onnx', 'student.int8.onnx']
    assert [row[1] for row in cells[2:]] == [f'{file.stat().st_size:,}' for file in files]
    assert float(cells[2][3]) < float(cells[3][3]) < 0.2
    assert cells[1][4] == cells[2][4]  # the same labels

    cfg = read_plain(config)
    network = build_network(cfg, checkpoint)
    (scene,) = read_scenes(cfg)
    points = scene['inputs']['points'][0].numpy().copy()
    with torch.no_grad():
        wanted = network.test_step(scene)[0].pred_pts_seg.pts_semantic_mask.numpy()
    student = OnnxStudent(out)
    assert np.array_equal(student(points)['labels'], wanted)
    assert student.about['classes'][:2] == ['wall', 'floor']


def test_mistakes_are_told(export, tmp_path, misuse):
    config = write_config(tmp_path)
    with misuse('export.py: checkpoint none.pth does not exist'):
        export(config, 'none.pth', tmp_path / 'student.onnx')
    with misuse('export.py: OUT must end in .onnx'):
        export(config, 'none.pth', tmp_path / 'student.pt')
