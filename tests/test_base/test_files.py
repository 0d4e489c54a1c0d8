import errno
import multiprocessing
import os
import stat

import pytest
from processes import DEADLINE

from projects.SRKD.base import NotWritableError, UsageError, check_writable, write_text, write_whole


def test_the_new_content_takes_the_place_of_the_old_at_once(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    path.write_text('old')
    with write_whole(path) as part:
        part.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert os.listdir(tmp_path) == ['epoch_1.pth']


def test_an_error_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    path = tmp_path / 'epoch_1.pth'
    path.write_text('old')
    with pytest.raises(OSError, match='disk full'), write_whole(path) as part:
        part.write_text('half')
        raise OSError('disk full')
    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['epoch_1.pth']


def write(path, text, begun=None, go=None):
    with write_whole(path) as part:
        part.write_text(text)
        if begun is not None:
            begun.set()
            go.wait(DEADLINE)


@pytest.mark.parametrize('end', ['go on', 'be killed'])
def test_two_writers_of_a_file_do_not_spoil_each_others(tmp_path, end):
    path = tmp_path / 'epoch_1.pth'
    context = multiprocessing.get_context('fork')
    begun, go = context.Event(), context.Event()
    other = context.Process(target=write, args=(path, 'theirs', begun, go))
    other.start()
    assert begun.wait(DEADLINE)
    write(path, 'ours')
    assert path.read_text() == 'ours' and len(os.listdir(tmp_path)) == 2
    if end == 'go on':
        go.set()
        other.join(DEADLINE)
        assert path.read_text() == 'theirs'
    else:
        other.kill()
        other.join()
        assert path.read_text() == 'ours' and len(os.listdir(tmp_path)) == 2
        write(path, 'again')
        assert path.read_text() == 'again'
    assert os.listdir(tmp_path) == ['epoch_1.pth']


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path):
    (tmp_path / 'mine').write_text('mine')
    (tmp_path / '.note.0.part').symlink_to(tmp_path / 'mine')
    write(tmp_path / 'note', 'text')
    assert (tmp_path / 'note').read_text() == 'text' and (tmp_path / 'mine').read_text() == 'mine'


def test_a_new_file_may_be_read_by_others_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        with write_whole(tmp_path / 'note') as part:
            part.write_text('')
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / 'note').stat().st_mode) == 0o644


def test_a_file_keeps_the_mode_it_had(tmp_path):
    path = tmp_path / 'note'
    path.write_text('old')
    path.chmod(0o640)
    with write_whole(path) as part:
        part.write_text('new')
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_text_is_written_into_folders_that_it_makes(tmp_path):
    write_text(tmp_path / 'deep' / 'file', 'a')
    write_text(tmp_path / 'deep' / 'file', 'b')
    assert [path.name for path in (tmp_path / 'deep').iterdir()] == ['file']
    assert (tmp_path / 'deep' / 'file').read_text() == 'b'


def test_a_folder_that_cannot_be_made_is_named_and_nothing_is_left(tmp_path):
    check_writable(tmp_path / 'deep' / 'out', '--out')
    assert not list(tmp_path.iterdir())
    (tmp_path / 'file').write_text('in the way')
    for out in (tmp_path / 'file', tmp_path / 'file' / 'deep' / 'out'):
        with pytest.raises(
            UsageError,
            match=f'--out {out} cannot be written to .{tmp_path}/file: '
            'Not a directory.*, expected a folder that is there or can be made',
        ):
            check_writable(out, '--out')
    assert (tmp_path / 'file').read_text() == 'in the way'


@pytest.mark.parametrize('number', [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_file_that_cannot_be_made_is_told_in_the_words_of_the_system(
    tmp_path, monkeypatch, number
):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr('projects.SRKD.base.files._open_part', refuse)
    monkeypatch.setattr('projects.SRKD.base.files.mkstemp', refuse)
    monkeypatch.setattr('projects.SRKD.base.files.TemporaryFile', refuse)
    with pytest.raises(UsageError, match=f'{tmp_path}/a cannot be written: {os.strerror(number)}'):
        write_text(tmp_path / 'a', 'b')
    with pytest.raises(UsageError, match=f'out {tmp_path} .*: {os.strerror(number)}'):
        check_writable(tmp_path, 'out')


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_disk_that_fails_amid_a_write_is_told_with_the_file_and_the_old_one_stays(
    tmp_path, number
):
    path = tmp_path / 'epoch_1.pth'
    path.write_text('old')
    with (
        pytest.raises(
            NotWritableError, match=rf'epoch_1.pth cannot be written: {os.strerror(number)}$'
        ),
        write_whole(path),
    ):
        raise OSError(number, os.strerror(number))
    assert [file.read_text() for file in tmp_path.iterdir()] == ['old']


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(OSError, match="'elsewhere'") as told, write_whole(tmp_path / 'file'):
        raise OSError(errno.ENOSPC, 'full', 'elsewhere')
    assert not isinstance(told.value, NotWritableError)
