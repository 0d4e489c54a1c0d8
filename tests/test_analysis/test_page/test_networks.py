import pytest
from toy import minkunet, save_checkpoint
from toy_rooms import write_room_config
from toy_work_dir import steps_of, write_run

from projects.SRKD.analysis.page.networks import headline_score, networks_of
from projects.SRKD.analysis.page.work_dir import read_run

SMALL, LARGE = minkunet(4, num_classes=20), minkunet(8, num_classes=20)


@pytest.fixture
def folders(tmp_path):
    """Work dirs of a student alone, one with a teacher, and tests of both."""
    configs = {}
    for name, model in (('small', SMALL), ('large', LARGE)):
        (tmp_path / name).mkdir()
        configs[name] = write_room_config(tmp_path / name, model, f'{name}.py')
    whole = dict(
        type='DistillSegmentor',
        student=SMALL,
        teacher=dict(config=str(configs['large']), checkpoint=str(tmp_path / 'large.pth')),
        terms=dict(kd=dict(student_tap='a', loss=dict(type='SoftTargetKLLoss', loss_weight=0.3))),
    )
    save_checkpoint(LARGE, tmp_path / 'large.pth')
    configs['kd_pair'] = write_room_config(tmp_path / 'small', whole, 'kd_pair.py')
    for name, config in (('alone', 'small'), ('taught', 'kd_pair')):
        folder = write_run(tmp_path / name, configs[config], steps_of(2.0, 1.0),
                           [dict(miou=0.1, step=2, time=1.0)])  # fmt: skip
        save_checkpoint(SMALL, folder / 'epoch_2.pth')
        (folder / 'last_checkpoint').write_text('epoch_2.pth')
    write_run(tmp_path / 'test_taught', configs['small'], tested=dict(miou=0.2),
              load_from=str(tmp_path / 'taught' / 'epoch_2.pth'))  # fmt: skip
    return tmp_path, configs


def networks(folder, *names):
    return {one.name: one for one in networks_of([read_run(folder / name) for name in names])}


def test_a_run_with_a_teacher_tells_who_is_who(folders):
    root, _ = folders
    found = networks(root, 'taught', 'alone', 'test_taught')
    assert list(found) == ['student alone', 'student, kd', 'teacher']
    alone, taught, teacher = found.values()
    assert alone.scores == dict(miou=0.1) and 'validation 2' in alone.scored
    assert taught.scores == dict(miou=0.2) and 'tools/test.py' in taught.scored
    assert taught.config.model.type == 'MinkUNet' and taught.checkpoint.parent.name == 'taught'
    assert teacher.runs and teacher.scores == {}
    assert teacher.config.model.backbone.base_channels == 8


def test_a_test_of_the_teacher_gives_its_scores(folders):
    root, configs = folders
    write_run(root / 'test', configs['large'], tested=dict(miou=0.9),
              load_from=str(root / 'large.pth'))  # fmt: skip
    found = networks(root, 'taught', 'test')
    assert found['teacher'].scores == dict(miou=0.9) and len(found) == 2


def test_a_training_of_the_teacher_is_the_teacher(folders):
    root, configs = folders
    write_run(root / 'large_run', configs['large'], steps_of(1.0, 1.0))
    found = networks(root, 'large_run', 'taught')
    assert list(found) == ['student, kd', 'teacher'] and not found['teacher'].runs


def test_runs_without_a_teacher_have_the_names_of_their_folders(folders):
    root, _ = folders
    assert list(networks(root, 'alone')) == ['alone']
    assert list(networks(root, 'alone', 'test_taught')) == ['alone', 'test_taught']


def test_two_students_of_one_method_are_told_apart(folders):
    root, configs = folders
    write_run(root / 'again', configs['kd_pair'], steps_of(1.0, 1.0))
    assert list(networks(root, 'taught', 'again'))[:2] == ['student, kd', 'student, kd (again)']


def test_a_teacher_that_is_gone_is_left_out(folders):
    root, configs = folders
    (root / 'large.pth').unlink()
    found = networks(root, 'taught')
    assert found['teacher'].checkpoint is None and not found['teacher'].runs
    configs['large'].unlink()
    assert list(networks(root, 'taught')) == ['student, kd']


def test_the_headline_is_the_main_score_of_most(folders):
    root, _ = folders
    assert headline_score(list(networks(root, 'alone').values())) == 'miou'
    assert headline_score([]) is None
