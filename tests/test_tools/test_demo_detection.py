from argparse import Namespace
from pathlib import Path

import matplotlib.image
import pytest
from toy import save_checkpoint
from toy_demo import load, report_rows
from toy_detectors import pointpillars
from toy_kitti import small_streets
from toy_work_dir import Page

from studies.demo import report
from studies.runs import Trained

REPO = Path(__file__).resolve().parents[2]
RANGE = (0, -19.2, -3, 38.4, 19.2, 1)


@pytest.fixture
def demo():
    return load('demo_detection').DEMO


def test_configs_of_the_demo_exist_and_differ_in_model_alone(demo):
    from studies.config_files import config_content

    teacher, alone, taught = map(config_content, (demo.teacher, demo.alone, demo.taught))
    assert taught['model']['student'] == alone['model']
    assert Path(taught['model']['teacher']['config']).name == demo.teacher.name
    for name in ('train_dataloader', 'optim_wrapper', 'train_cfg', 'param_scheduler'):
        assert taught[name] == alone[name] == teacher[name], name


def test_report_has_both_views_of_every_class_and_a_picture(demo, tmp_path):
    root = small_streets(tmp_path / 'kitti', 1, 1)
    trained = {}
    for name, width in (('student', 8), ('teacher', 16)):
        model = pointpillars(width, cell=0.3, reach=RANGE)
        bases = [f'{REPO}/configs/_base_/{base}.py'
                 for base in ('datasets/mini-kitti-3d', 'default_runtime')]  # fmt: skip
        config = tmp_path / f'{name}.py'
        config.write_text(f'_base_ = {bases!r}\nmodel = {model!r}\n')
        weights = save_checkpoint(model, tmp_path / f'{name}.pth')
        trained[name] = (config, Trained(config, Path(weights), name))
    keys = [metric.key for metrics in demo.columns.values() for metric in metrics]

    def scores(base):  # Car BEV is base, Car 3D base + 1, ...
        return {key: base + i for i, key in enumerate(keys)}

    networks = {
        'student alone': (*trained['student'], scores(10.0)),
        'student, PointDistiller': (*trained['student'], scores(12.5)),
        'teacher': (*trained['teacher'], scores(30.0)),
    }
    text = report(demo, tmp_path / 'out', networks, root, Namespace(preset='full', seed=0))
    rows = report_rows(text)
    assert rows['student alone']['Car'] == '10.00 / 11.00'
    assert rows['student alone']['mean'] == '16.00 / 17.00'
    assert 'mean 3D points above the student alone: student, PointDistiller +2.50' in text
    assert float(rows['teacher']['GFLOPs']) > 1.5 * float(rows['student alone']['GFLOPs']) > 0
    assert 3 < float(rows['student alone']['ratio'][:-1]) < 4
    picture = matplotlib.image.imread(tmp_path / 'out' / 'picture.png')
    assert picture.std() > 0.05 and picture.shape[1] > 3 * picture.shape[0]  # four panels in a row
    page = Page((tmp_path / 'out' / 'report.html').read_text())
    assert text.endswith(f'page:    {tmp_path / "out" / "report.html"}')
    assert len(page.data['chart']) == 4  # a frame of each detector, and the cost
