"""A full disk under a log: one sentence with the file's name."""

import errno
import logging

import pytest
from mmengine.logging import MMLogger
from mmengine.visualization import LocalVisBackend

from projects.SRKD.base import NotWritableError
from projects.SRKD.compat import mmengine_logs


class Full:
    """A stream onto a full disk."""

    def write(self, text):
        raise OSError(errno.ENOSPC, 'No space left on device')

    flush = close = lambda self: None


def test_numbers_that_cannot_be_logged_name_their_file(tmp_path):
    backend = LocalVisBackend(save_dir='/dev', config_save_file='c.py', scalar_save_file='s.json')
    backend._env_initialized, backend._scalar_save_file = True, '/dev/full'
    with pytest.raises(NotWritableError, match='/dev/full cannot be written: No space left on'):
        backend.add_scalars(dict(loss=1.0))
    backend._scalar_save_file = str(tmp_path)
    with pytest.raises(IsADirectoryError):  # somebody's mistake, not the disk's
        backend.add_scalars(dict(loss=1.0))


def test_lines_that_cannot_be_logged_are_no_page_of_tracebacks(tmp_path, capsys):
    logger = MMLogger('full', log_file=str(tmp_path / 'log'))
    (handler,) = [each for each in logger.handlers if isinstance(each, logging.FileHandler)]
    handler.stream.close()
    handler.stream = Full()
    logger.error('a line')
    assert 'Traceback' not in capsys.readouterr().err


def test_logs_of_others_keep_their_tracebacks(tmp_path, capsys):
    handler = logging.FileHandler(tmp_path / 'log')
    handler.stream.close()
    handler.stream = Full()
    handler.handle(logging.makeLogRecord(dict(msg='a line')))
    assert 'Traceback' in capsys.readouterr().err


def test_it_is_mended_once():
    before = LocalVisBackend._dump, logging.FileHandler.handleError
    assert mmengine_logs.apply()
    assert before == (LocalVisBackend._dump, logging.FileHandler.handleError)
