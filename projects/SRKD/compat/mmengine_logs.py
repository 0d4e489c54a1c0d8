"""A log that cannot be written ends the run in a sentence that names it.

Breaks: on a full disk a training ends in "OSError: [Errno 28] No space left on device" without the
    name of any file, behind a page of "--- Logging error ---" for each line of the log.
Where: mmengine 0.10.7 ``visualization/vis_backend.py``: ``LocalVisBackend._dump``;
    ``logging/logger.py``: ``MMLogger``, whose file handler is Python's own.
Delete when: mmengine names the file.
"""

import logging
import sys
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec

from ..base.files import told_of_disk


def _naming(original: Callable) -> Callable:

    @wraps(original)
    def dump(self, value_dict: dict, file_path: str, file_format: str) -> None:
        try:
            original(self, value_dict, file_path, file_format)
        except OSError as error:
            told_of_disk(file_path, error)
            raise

    dump.original = original
    return dump


def _quiet(original: Callable) -> Callable:
    from mmengine.logging.logger import MMFormatter

    @wraps(original)
    def handle_error(self, record: logging.LogRecord) -> None:
        # the number that is logged next ends the run with the sentence
        if not (isinstance(self.formatter, MMFormatter) and isinstance(sys.exc_info()[1], OSError)):
            original(self, record)

    handle_error.original = original
    return handle_error


def apply() -> bool:
    """Mend both, once."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.visualization import LocalVisBackend

    if not hasattr(LocalVisBackend._dump, 'original'):
        LocalVisBackend._dump = _naming(LocalVisBackend._dump)
        logging.FileHandler.handleError = _quiet(logging.FileHandler.handleError)
    return True
