"""A data set's folder is refused when it would bury data and appears when it is whole."""

import os
import pickle

import pytest

from projects.SRKD.base import UsageError
from projects.SRKD.base.checks import check_limits
from projects.SRKD.base.data_folder import holding_root, new_folder, write_infos
from projects.SRKD.base.errors import HeldError


def test_a_folder_with_other_data_is_left_alone_unless_forced(tmp_path):
    out = tmp_path / 'mine'
    out.mkdir()
    (out / 'thesis.tex').write_text('years of work')
    match = r'mine exists and is not an empty folder; --force replaces it by the new data set'
    with pytest.raises(FileExistsError, match=match), new_folder(out):
        pass
    assert (out / 'thesis.tex').read_text() == 'years of work'
    with new_folder(out, force=True) as folder:
        (folder / 'new').touch()
        assert (out / 'thesis.tex').exists()  # until the new one is whole
    assert [path.name for path in out.iterdir()] == ['new']
    assert [path.name for path in tmp_path.iterdir()] == ['mine']


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / 'out') as folder:
        (folder / 'half').touch()
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_taken(tmp_path):
    with new_folder(tmp_path) as folder:
        (folder / 'new').touch()
    assert [path.name for path in tmp_path.iterdir()] == ['new']


def test_values_outside_their_limits_are_refused():
    check_limits(scans=(1, 1, 5))
    with pytest.raises(ValueError, match='^beams must lie between 2 and 64, but got 65$'):
        check_limits(scans=(5, 1, 5), beams=(65, 2, 64))


def test_infos_are_of_version_2(tmp_path):
    write_infos(tmp_path / 'infos.pkl', 'nuscenes', [dict(token='a')])
    content = pickle.loads((tmp_path / 'infos.pkl').read_bytes())
    assert content == dict(
        metainfo=dict(dataset='nuscenes', info_version='1.1'), data_list=[dict(token='a')]
    )


def test_what_a_killed_run_has_left_goes_and_nothing_else(tmp_path):
    left = ['.out.123.part', '.out.part', '.out.old.part']
    others = ['.out.mine.part', '.other.part', 'out.part', '.outx1.part']
    for name in (*left, *others):
        (tmp_path / name).mkdir()
    with new_folder(tmp_path / 'out') as folder:
        assert not any((tmp_path / name / 'a').exists() for name in left)
        (folder / 'a').touch()
    assert sorted(os.listdir(tmp_path)) == sorted([*others, 'out'])


def test_a_name_with_letters_of_patterns_is_a_name(tmp_path):
    for _ in range(2):
        with new_folder(tmp_path / 'a[1]*', force=True) as folder:
            (folder / 'new').touch()
    assert os.listdir(tmp_path) == ['a[1]*']


def test_what_has_come_meanwhile_is_not_replaced_unless_forced(tmp_path):
    with pytest.raises(FileExistsError, match='not an empty'), new_folder(tmp_path / 'out'):
        (tmp_path / 'out').mkdir()
        (tmp_path / 'out/thesis.tex').touch()
    assert os.listdir(tmp_path) == ['out'] and os.listdir(tmp_path / 'out') == ['thesis.tex']


def test_a_second_one_is_refused_whether_forced_or_not(tmp_path):
    with new_folder(tmp_path / 'out') as folder:
        for force in (False, True):
            with pytest.raises(HeldError, match='one process at a time'):
                enter(new_folder(tmp_path / 'out', force))
        (folder / 'a').touch()
    assert os.listdir(tmp_path) == ['out'] and os.listdir(tmp_path / 'out') == ['a']


def enter(context):
    with context:
        pass


def test_the_root_of_a_data_set_is_held_while_it_is_written_to(tmp_path):
    @holding_root
    def write(root, again=True):
        return write(root, again=False) if again else os.listdir(root)

    with pytest.raises(HeldError, match=f'the root of the data {tmp_path} must be written by'):
        write(tmp_path)
    assert write(tmp_path, again=False) == ['.lock'] and os.listdir(tmp_path) == []
    with pytest.raises(FileNotFoundError):
        write(tmp_path / 'gone', again=False)  # its own refusal


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / 'file').touch()
    said = 'place of --out, .*file cannot be written to .*Not a dir'
    with pytest.raises(UsageError, match=said), new_folder(tmp_path / 'file' / 'out'):
        pass
