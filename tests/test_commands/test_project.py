import pytest
import torch

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.commands.project import Project, command_lines


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / 'p'
    for name in ('alone', 'distilled'):
        work_dir = folder / 'work_dirs' / name
        work_dir.mkdir(parents=True)
        (folder / f'{name}.py').touch()
        for epoch in (1, 2):
            torch.save(dict(state_dict={}), work_dir / f'epoch_{epoch}.pth')
        (work_dir / 'last_checkpoint').write_text(str(work_dir / 'epoch_2.pth'))
    return folder


def lines(command, project, *words):
    """Words of the tool, the folder left out."""
    found = command_lines(command, [str(project), *words])
    return [[word.replace(f'{project}/', '') for word in line] for line in found]


def test_what_each_command_makes_of_a_project(project):
    student = ['alone.py', 'work_dirs/distilled/epoch_2.pth']
    assert lines('train', project, '--amp') == [['alone.py', '--amp'], ['distilled.py', '--amp']]
    assert lines('train', project, '--amp', '--only', 'alone') == [['alone.py', '--amp']]
    assert lines('test', project) == [[*student, '--work-dir', 'work_dirs/test_distilled']]
    assert lines('test', project, '--only', 'alone')[0][1] == 'work_dirs/alone/epoch_2.pth'
    assert lines('cache', project, '--dry-run') == [['distilled.py', '--dry-run']]
    assert lines('export', project) == [[*student, 'student.onnx']]
    assert lines('export', project, 'out.onnx', '--int8') == [[*student, 'out.onnx', '--int8']]


def test_a_report_is_about_both_trainings_and_their_tests(project):
    both = ['work_dirs/alone', 'work_dirs/distilled']
    assert lines('report', project) == [[*both, '--out', 'report.html']]
    (project / 'work_dirs/test_distilled').mkdir()
    assert lines('report', project, '--out', 'page.html') == [
        [*both, 'work_dirs/test_distilled', '--out', 'page.html']
    ]


def test_words_that_name_no_folder_stay_as_they_are(project, tmp_path):
    assert command_lines('train', ['configs/a.py', '--amp']) == [['configs/a.py', '--amp']]
    assert command_lines('new', [str(project), '--data', 'x']) == [[str(project), '--data', 'x']]
    assert command_lines('report', [str(tmp_path)]) == [[str(tmp_path)]]
    assert command_lines('doctor', []) == [[]]


def test_a_folder_that_is_no_project_is_told(project):
    (project / 'distilled.py').unlink()
    with pytest.raises(UsageError, match=r'that srkd new has written, but got one without distill'):
        command_lines('train', [str(project)])


def test_what_has_not_been_trained_is_told(project):
    for path in (project / 'work_dirs/distilled').iterdir():
        path.unlink()
    with pytest.raises(FileMissingError, match='must hold a checkpoint, but got none: srkd train'):
        command_lines('test', [str(project)])
    (project / 'work_dirs').rename(project / 'elsewhere')
    with pytest.raises(FileMissingError, match='must hold work_dirs of a training, but got none'):
        command_lines('report', [str(project)])


@pytest.mark.parametrize('words', [('--only', 'alon'), ('--only',)])
def test_only_names_a_training(project, words):
    with pytest.raises(UsageError, match=r"--only must be one of \['alone', 'distilled'\]"):
        command_lines('train', [str(project), *words])


def test_a_project_that_was_moved_finds_its_checkpoints(project):
    moved = project.rename(project.with_name('q'))
    found = Project(moved).newest_checkpoint('alone')
    assert found == str(moved / 'work_dirs/alone/epoch_2.pth')
