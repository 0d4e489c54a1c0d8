from toy_rooms import write_room_config
from toy_work_dir import body, steps_of, write_run

from projects.SRKD.analysis.page.summary import data_of, summary
from projects.SRKD.analysis.page.work_dir import read_run


def test_it_says_what_ran_and_what_is_wrong(tmp_path):
    config = write_room_config(tmp_path)
    half = write_run(tmp_path / 'half', config, steps_of(1.0), seed=7)
    test = write_run(tmp_path / 'test', config, tested=dict(miou=0.1))
    page = body(summary([read_run(half), read_run(test)]))
    for word in ('rooms', 'PyTorch 2.13.0+cpu', 'epoch 1 of 2', '2.5 min', 'half finished',
                 'ScanNetSegDataset', '2026/01/01 10:00:00', 'not recorded', 'test'):  # fmt: skip
        assert word in page.text, word
    assert ' 7 ' in page.text


def test_the_data_are_those_of_the_innermost_data_set():
    inner = dict(type='Inner', data_root='a/b')
    repeated = dict(type='RepeatDataset', dataset=inner)
    assert data_of(dict(train_dataloader=dict(dataset=repeated))) == 'Inner, a/b'
    assert data_of(dict(test_dataloader=dict(dataset=dict(type='X')))) == 'X, no data_root'
    assert data_of({}) == 'not recorded'
