from argparse import Namespace
from pathlib import Path

import matplotlib.image
from toy import minkunet, save_checkpoint
from toy_demo import load, report_rows
from toy_rooms import write_room_config
from toy_work_dir import Page

from studies.demo import report
from studies.runs import Trained


def test_report_measures_draws_and_scores_real_networks(tmp_path):
    demo = load('demo').DEMO
    trained = {}
    for name, width in (('student', 4), ('teacher', 8)):
        (tmp_path / name).mkdir()
        model = minkunet(width, num_classes=20)
        config = write_room_config(tmp_path / name, model)
        checkpoint = save_checkpoint(model, tmp_path / name / 'a.pth')
        trained[name] = (config, Trained(config, Path(checkpoint), name))
    networks = {
        'student alone': (*trained['student'], dict(miou=0.30, acc_cls=0.4)),
        'student, SRKD': (*trained['student'], dict(miou=0.34, acc_cls=0.5)),
        'teacher': (*trained['teacher'], dict(miou=0.50, acc_cls=0.6)),
    }
    data, args = tmp_path / 'teacher' / 'rooms', Namespace(preset='full', seed=0)
    text = report(demo, tmp_path / 'out', networks, data, args)
    assert 'mIoU points above the student alone: student, SRKD +4.00, teacher +20.00\n' in text
    rows = report_rows(text)
    assert rows['teacher']['ratio'] == '1.00x' and rows['student, SRKD']['mIoU'] == '34.00'
    # half the width: nearly a quarter of the parameters and operations
    assert 3 < float(rows['student alone']['ratio'][:-1]) < 4
    assert float(rows['teacher']['params (M)']) > 3 * float(rows['student alone']['params (M)'])
    assert (tmp_path / 'out' / 'report.md').read_text().startswith('| network')
    assert matplotlib.image.imread(tmp_path / 'out' / 'picture.png').std() > 0.05
    page = Page((tmp_path / 'out' / 'report.html').read_text())
    assert text.endswith(f'page:    {tmp_path / "out" / "report.html"}')
    assert 'student, SRKD' in page.text and 'miou 30.00 34.00 50.00' in page.text
    (views,) = page.data['clouds'].values()
    assert len(views['scans'][0]['panels']) == 7  # truth, three networks, their errors
    smoke = report(demo, tmp_path / 'out', networks, data, Namespace(preset='smoke', seed=0))
    assert 'points above' not in smoke and 'the scores say nothing' in smoke
