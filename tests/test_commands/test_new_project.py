"""A stranger's folder: she has scans and a teacher, and edits no file."""

import json
import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from processes import run_script
from toy import save_checkpoint, write_scannet

from projects.SRKD import configs
from projects.SRKD.base import UsageError
from projects.SRKD.commands.checking import try_project
from projects.SRKD.commands.new_project import new_project, told

ROOT = Path(__file__).parents[2]
SRKD = ROOT / 'projects/SRKD/__main__.py'
TEACHER = f"""
_base_ = {configs('_base_/models/ptv3_mini.py')!r}
model = dict(**_base_.sizes.m)
"""


@pytest.fixture(scope='module')
def hers(tmp_path_factory):
    """Six and two scans in ScanNet's layout, and a teacher of its 20 classes."""
    folder = tmp_path_factory.mktemp('hers')
    write_scannet(folder / 'rooms')
    (folder / 'teacher.py').write_text(TEACHER)
    save_checkpoint(Config.fromfile(folder / 'teacher.py').model, folder / 'teacher.pth')
    return folder


@pytest.fixture
def folder(hers, tmp_path, monkeypatch):
    for path in hers.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(**changes):
    return {
        'folder': 'project', 'data': 'rooms', 'like': 'mini-scannet',
        'teacher': 'teacher.py:teacher.pth', 'student': 'ptv3-mini-s', **changes,
    }  # fmt: skip


def words(command, **options):
    return [command, *(w for key, value in options.items() for w in (f'--{key}', str(value)))]


def test_three_commands_and_no_edit(folder):
    told_of = asked(epochs=1, method='kd')
    first = [*words('new', **{k: v for k, v in told_of.items() if k != 'folder'}), 'project']
    for line in (first, ['train', 'project'], ['report', 'project', '--scans', '0']):
        done = run_script(SRKD, *line, cwd=folder)
        assert done.returncode == 0, done.stderr[-3000:]
    for run in ('alone', 'distilled'):
        (log,) = (folder / 'project/work_dirs' / run).glob('*/vis_data/scalars.json')
        rows = [json.loads(line) for line in log.read_text().splitlines()]
        assert 'miou' in rows[-1] and ('loss_kd' in rows[0]) == (run == 'distilled')
    assert (folder / 'project/work_dirs/distilled/epoch_1.pth').exists()
    assert '</html>' in (folder / 'project/report.html').read_text()
    assert sorted(path.name for path in folder.iterdir()) == [
        'project', 'rooms', 'teacher.pth', 'teacher.py'
    ]  # fmt: skip


def test_what_is_written_is_small_and_what_it_says_is_true(folder):
    tried = new_project(**asked())
    files = sorted((folder / 'project').iterdir())
    assert [path.name for path in files] == ['alone.py', 'data.py', 'distilled.py']
    assert all(len(path.read_text().splitlines()) <= 20 for path in files)
    assert tried.scans == (6, 2) and len(tried.classes) == 20 and tried.student < tried.teacher
    assert told('project', tried).endswith('next: srkd train project')
    cfg = Config.fromfile('project/distilled.py')
    assert cfg.work_dir == str(folder / 'project/work_dirs/distilled')
    assert cfg.model.teacher.checkpoint == str((folder / 'teacher.pth').resolve())


def test_scans_are_counted_once_however_often_an_epoch_shows_them(folder):
    new_project(**asked())
    with (folder / 'project/alone.py').open('a') as file:
        file.write(
            'inner = _base_.train_dataloader.dataset\n'
            'train_dataloader = dict(dataset=dict(\n'
            "    _delete_=True, type='RepeatDataset', times=3, dataset=inner))\n"
        )
    assert try_project(folder / 'project').scans == (6, 2)


def test_bare_scans_with_classes_of_her_own(folder):
    rng = np.random.default_rng(0)
    for split, count in dict(train=4, val=1).items():
        (folder / 'scans' / split).mkdir(parents=True)
        for i in range(count):
            points = rng.random((500, 6)) * (2, 2, 2, 255, 255, 255)
            points.astype(np.float32).tofile(folder / f'scans/{split}/{i}.bin')
            rng.integers(0, 5, 500).tofile(folder / f'scans/{split}/{i}.label')
    names, ids = ['floor', 'wall'], [3, 1]
    config = folder / 'two.py'
    config.write_text(TEACHER + "model['decode_head'].update(num_classes=2, ignore_index=2)\n")
    save_checkpoint(Config.fromfile(config).model, folder / 'two.pth')
    tried = new_project(
        **asked(data='scans', teacher='two.py:two.pth', classes=names, ids=ids, batch_size=3)
    )
    assert tried.scans == (4, 1) and tried.classes == ('floor', 'wall')
    moved = folder / 'moved'
    (folder / 'project').rename(moved)
    cfg = Config.fromfile(moved / 'alone.py')
    dataset = cfg.train_dataloader.dataset
    assert cfg.train_dataloader.batch_size == 3 and cfg.model.decode_head.num_classes == 2
    assert dataset.ann_file == str(moved / 'infos_train.pkl') and Path(dataset.ann_file).is_file()
    assert dataset.metainfo.seg_label_mapping == {0: 2, 1: 1, 2: 2, 3: 0, 4: 2}
    assert not list((folder / 'scans').rglob('*.pkl'))


def test_a_student_larger_than_its_teacher_is_told(folder, recwarn):
    (folder / 'small.py').write_text(TEACHER.replace('sizes.m', 'sizes.s'))
    save_checkpoint(Config.fromfile(folder / 'small.py').model, folder / 'small.pth')
    new_project(**asked(teacher='small.py:small.pth', student='ptv3-mini-m'))
    assert any('more than its teacher with' in str(one.message) for one in recwarn)


def test_classes_that_are_not_the_teachers_name_both_lists(folder):
    path = ROOT / 'studies/teachers/rooms.safetensors'
    shipped = f'ptv3-mini-m_1xb4-60e_mini-scannet-seg:{path}'
    with pytest.raises(UsageError, match='the student has oak, elm, the teacher wall, floor, cab'):
        new_project(**asked(teacher=shipped, classes=['oak', 'elm']))
    assert not (folder / 'project').exists() and not list(folder.glob('.*'))


@pytest.mark.parametrize(
    'changes, said',
    [
        (dict(folder='rooms'), 'DIR must be new, but got rooms, which exists'),
        (dict(data='room'), '--data must be the folder of the scans, but got room; .*rooms'),
        (dict(like='mini-scanet'), "--like must be one of .* nearest: 'mini-scannet'"),
        (dict(like='pandaset', student='minkunet18'), 'looks like --like scannet'),
        (dict(student='ptv3-mini-x'), "--student must be .* nearest: 'ptv3-mini-"),
        (dict(method='skrd'), "--method must be one of .* nearest: 'srkd'"),
        (dict(teacher='teacher.py:techer.pth'), 'a checkpoint that is there, but got techer.pth'),
        (dict(epochs=0), '--epochs must be a whole number of at least 1, but got 0'),
        (dict(batch_size=40), 'batch'),
    ],
)
def test_what_cannot_be_is_told_and_nothing_stays(folder, changes, said):
    before = sorted(folder.iterdir())
    with pytest.raises(UsageError, match=said) as caught:
        new_project(**asked(**changes))
    assert '.part' not in str(caught.value)
    assert sorted(folder.iterdir()) == before


def test_the_tools_help_names_every_kind_and_student():
    from projects.SRKD.commands.kinds import KINDS
    from projects.SRKD.commands.students import COMPRESSIONS, STUDENTS

    done = run_script(ROOT / 'tools/new_project.py', '--help', cwd=ROOT)
    said = ' '.join(done.stdout.split()).replace('- ', '-')
    for name in (*KINDS, *STUDENTS, *COMPRESSIONS):
        assert f' {name}' in said, name


def test_the_commands_that_pages_show_are_commands_of_this_kind():
    from projects.SRKD.commands.kinds import KINDS
    from projects.SRKD.commands.methods import check_method
    from projects.SRKD.commands.students import check_student

    for page in ('README.md', 'docs/own_dataset.md'):
        text = (ROOT / page).read_text().replace('\\\n', ' ')
        lines = [shlex.split(line, comments=True) for line in re.findall(r'^srkd .*', text, re.M)]
        new, *others = [line[1:] for line in lines]
        assert [line[0] for line in others] == ['train', 'report'] and new[0] == 'new'
        assert all(line[1:] == [new[1]] for line in others), page
        tool = runpy.run_path(str(ROOT / 'tools/new_project.py'))
        asked_for = vars(tool['parse_args'](new[1:]))
        kind = KINDS[asked_for['like']]
        check_student(asked_for['student'], kind)
        check_method(asked_for['method'], kind)
        assert asked_for['classes'] is None or kind.takes_classes
