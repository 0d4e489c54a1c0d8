import torch
from toy import minkunet
from toy_rooms import write_room_config
from toy_work_dir import body, steps_of, write_run

from projects.SRKD.analysis.agreement.comparison import ALONE, TAUGHT, TEACHER, Comparison
from projects.SRKD.analysis.agreement.places import ROOM
from projects.SRKD.analysis.page.agreement import FILE, agreement
from projects.SRKD.analysis.page.html import data
from projects.SRKD.analysis.page.work_dir import read_run


def training(tmp_path):
    whole = dict(type='DistillSegmentor', student=minkunet(4, num_classes=20),
                 teacher=dict(config='x'))  # fmt: skip
    config = write_room_config(tmp_path, whole, 'kd_pair.py')
    return read_run(write_run(tmp_path / 'kd', config, steps_of(1.0, 1.0)))


def test_the_page_draws_the_numbers_of_the_file(tmp_path):
    run, of = training(tmp_path), Comparison([TEACHER, ALONE, TAUGHT], 3, ROOM)
    logits = {name: torch.randn(50, 3) for name in of.names}
    of.add(torch.rand(50, 3), torch.randint(0, 3, (50,)), logits,
           {name: dict(backbone=torch.randn(50, 4)) for name in of.names})  # fmt: skip
    found = of.result()
    (run.folder / FILE).write_text(data(found))
    page = body(agreement([run]))
    charts = page.data['chart']
    keys = {'accuracy by distance': 'by_distance', 'accuracy by density': 'by_crowd'}
    for title, key in keys.items():
        for trace in charts[title]['data']:
            expected = [bin['accuracy'] for bin in found[key][trace['name']]]
            assert [a for a in trace['y'] if a is not None] == [a for a in expected if a == a]
    legend = [one['name'] for one in charts['calibration']['data']]
    ece = found['reliability'][TAUGHT]['ece']
    assert f'{TAUGHT}, error {100 * ece:.2f} %' in legend and legend[-1] == 'as sure as right'
    (alone, taught) = charts['likeness of layers to the teacher']['data']
    assert taught['y'] == [found['cka'][TAUGHT]['backbone']] and alone['name'] == ALONE
    cells = found['rights'][ALONE]
    assert f'distilled beside alone {2 * cells["both"]:.2f} {2 * cells["gained"]:.2f}' in page.text


def test_without_the_file_it_says_what_makes_it(tmp_path):
    run = training(tmp_path)
    text = body(agreement([run])).text
    assert f'agreement.py {run.folder}/kd_pair.py CHECKPOINT' in text and FILE in text
    assert 'agreement.py CONFIG CHECKPOINT' in body(agreement([])).text


def test_another_file_of_that_name_is_told(tmp_path):
    run = training(tmp_path)
    (run.folder / FILE).write_text('{"iou": 1}')
    assert 'it is no file of agreement.py' in body(agreement([run])).text
