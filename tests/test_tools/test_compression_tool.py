"""The tool as a user calls it."""

import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from zoo_detectors import build, teacher

TOOL = Path(__file__).parents[2] / 'tools/analysis_tools/compression.py'
SECOND = 'mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py'


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *arguments])
        runpy.run_path(str(TOOL), run_name='__main__')
        return capsys.readouterr().out

    return run


def table(text):
    rows = [line.strip('| ').split(' | ') for line in text.splitlines() if line.startswith('|')]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}


def test_it_shows_widths_parameters_and_the_true_ratio(call):
    rows = table(call(SECOND))
    assert rows['parameters'] == ['5,325,576', '1,342,824', '341,448']
    assert rows['ratio'] == ['1.00x', '3.97x', '15.60x']
    assert rows['out_channels'] == ['[256, 256]', '[128, 128]', '[64, 64]']  # the neck's, last
    assert rows['output_channels'] == ['128', '64', '32']  # a default in the teacher's config
    assert rows['backbone (SECOND)'][0] == f'{parameters(build(teacher("second")).backbone):,}'
    assert 'layer_nums' not in rows and 'num_classes' not in rows


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_student_it_writes_is_a_plain_config(call, tmp_path):
    path = tmp_path / 'student.py'
    call(SECOND, '--divisor', '2', '--dump', str(path))
    cfg = Config.fromfile(path)
    assert cfg.model.type == 'VoxelNet' and parameters(build(cfg.model)) == 1342824
    assert cfg.train_dataloader.batch_size == 6  # the rest of the config is kept


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['nowhere.py'], 'compression.py: config nowhere.py does not exist (looked from'),
        ([SECOND, '1'], 'compression must be above 1'),
        ([SECOND, '4', '16', '--dump', 'x.py'], 'writes one student, but got ratios [4.0, 16.0]'),
    ],
)
def test_what_does_not_fit_ends_in_one_sentence(call, capsys, arguments, message):
    with pytest.raises(SystemExit, match='2'):
        call(*arguments)
    assert message in capsys.readouterr().err
