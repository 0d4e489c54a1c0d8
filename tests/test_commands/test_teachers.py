import pytest
import torch

from projects.SRKD import configs
from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.commands.teachers import find_teacher

NAME = 'ptv3-mini-m_1xb4-60e_mini-scannet-seg'


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict={}), tmp_path / 'weights.pth')
    return tmp_path / 'weights.pth'


def test_a_shipped_config_is_named_by_its_name_or_path(weights):
    for words in (NAME, configs(f'mini/{NAME}.py')):
        teacher = find_teacher(f'{words}:weights.pth')
        assert teacher == (f'mini/{NAME}.py', str(weights))
        assert teacher.config_path == configs(f'mini/{NAME}.py')


def test_a_config_of_hers_is_found_from_anywhere(weights, tmp_path):
    (tmp_path / 'mine.py').touch()
    teacher = find_teacher('mine.py:https://example.org/a.pth')
    assert teacher == (str(tmp_path / 'mine.py'), 'https://example.org/a.pth')
    assert teacher.config_path == str(tmp_path / 'mine.py')


def test_without_a_checkpoint_the_newest_is_taken(weights, tmp_path):
    with pytest.raises(FileMissingError, match=f'work_dirs/{NAME} does not exist'):
        find_teacher(NAME)
    folder = tmp_path / 'work_dirs' / NAME
    folder.mkdir(parents=True)
    (folder / 'last_checkpoint').write_text(str(weights))
    assert find_teacher(NAME).checkpoint == str(weights)


@pytest.mark.parametrize(
    'words, said',
    [
        ('ptv3-mini-n_1xb4-60e_mini-scannet-seg', f"shipped one, but got 'ptv3.*nearest: '?{NAME}"),
        ('min.py', 'a config that is there, but got min.py; '),
        (f'{NAME}:weigths.pth', 'a checkpoint that is there, but got weigths.pth; .*weights.pth'),
        (':a.pth', r"must be NAME or CONFIG\[:CHECKPOINT\], but got ':a.pth'"),
    ],
)
def test_what_is_not_there_names_the_nearest(weights, words, said):
    with pytest.raises(UsageError, match=said):
        find_teacher(words)
