"""Checkpoints that are whole, and an old one that stays until the new one is.

Breaks: a process killed while it saves leaves a torn file; the old checkpoint is removed before the
    new one is written, so ``max_keep_ckpts=1`` then leaves nothing, and the best one likewise;
    a resumed run forgets its last checkpoint and does not write the best score into it;
    ``--resume`` takes whatever ``last_checkpoint`` names, be it missing, torn or an empty line.
Where: mmengine 0.10.7 ``fileio/backends/local_backend.py``: ``LocalBackend.put``, ``put_text``;
    ``hooks/checkpoint_hook.py``: ``CheckpointHook._save_checkpoint_with_step``,
    ``_save_best_checkpoint``; ``runner/checkpoint.py``: ``find_latest_checkpoint``.
Delete when: mmengine writes to a temporary file, renames it, and removes last.
"""

import logging
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path

from ..base import UsageError, write_whole

RECORD = 'last_checkpoint'
VALIDATED = 'last_validation'  # of OwedValidationHook
STOPPED = 'stopped.pth'  # of a run that was asked to end, until a later one is whole
_OUTDATED = 'outdated_best'  # in the message hub, which checkpoints hold
# best ones hold no optimizer to resume
_RESUMABLE = re.compile(rf'(epoch|iter)_\d+\.pth|{re.escape(STOPPED)}')


def put(self, obj: bytes, filepath: str | Path) -> None:
    """Stands for ``LocalBackend.put``; the file appears when it is whole."""
    Path(filepath).parent.mkdir(parents=True, exist_ok=True)
    with write_whole(filepath) as part:
        part.write_bytes(obj)


def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
    """Stands for ``LocalBackend.put_text``."""
    self.put(obj.encode(encoding), filepath)


def save_with_step(self, runner, step: int, meta: dict) -> None:
    """Stands for ``CheckpointHook._save_checkpoint_with_step``; removes behind the new file."""
    from mmengine.dist import is_main_process

    name = self.filename_tmpl.format(step)
    self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
    runner.message_hub.update_info('last_ckpt', self.last_ckpt)
    kept, outdated = [], []
    if self.max_keep_ckpts > 0:
        kept = [*(number for number in self.keep_ckpt_ids if number != step), step]
        outdated = kept[: -self.max_keep_ckpts]
        # if we are ended before they are removed, the resumed run finds them here and removes them
        runner.message_hub.update_info('keep_ckpt_ids', kept)
    runner.call_hook('before_save_on_all_ranks')  # of ours: mmengine's is called on the first alone
    runner.save_checkpoint(
        self.out_dir,
        name,
        self.file_client_args,
        save_optimizer=self.save_optimizer,
        save_param_scheduler=self.save_param_scheduler,
        meta=meta,
        by_epoch=self.by_epoch,
        backend_args=self.backend_args,
        **self.args,
    )
    if is_main_process():
        note_checkpoint(runner, self.last_ckpt)
        for old in (STOPPED, *map(self.filename_tmpl.format, outdated)):
            _remove(self.file_backend, self.file_backend.join_path(self.out_dir, old))
    if self.max_keep_ckpts > 0:
        self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))


def note_checkpoint(runner, path: str) -> None:
    """Name the file that ``--resume`` takes."""
    with write_whole(Path(runner.work_dir) / RECORD) as part:
        part.write_text(path)


def _remove(backend, path: str) -> None:
    if backend.isfile(path):
        backend.remove(path)
    elif backend.isdir(path):  # deepspeed's are folders
        backend.rmtree(path)


class _RemovesLater:
    """A file backend that notes down what to remove, in the next checkpoint, too."""

    def __init__(self, backend, hub) -> None:
        self.backend, self.hub, self.outdated = backend, hub, []

    def remove(self, path: str) -> None:
        self.outdated.append(path)
        self.hub.update_info(_OUTDATED, list(self.outdated))

    rmtree = remove

    def __getattr__(self, name: str):
        return getattr(self.backend, name)


def _best_after_good(original: Callable) -> Callable:

    @wraps(original)
    def save_best(self, runner, metrics: dict) -> None:
        backend = self.file_backend
        self.file_backend = _RemovesLater(backend, runner.message_hub)
        try:
            original(self, runner, metrics)
        finally:
            self.file_backend = backend
        _remove_outdated_best(self, runner)

    save_best.original = original
    return save_best


def _remove_outdated_best(self, runner) -> None:
    """Remove what a better one has replaced; a run that ends before does it at its resume."""
    from mmengine.dist import is_main_process

    current = {
        getattr(self, 'best_ckpt_path', None),
        *getattr(self, 'best_ckpt_path_dict', {}).values(),
    }
    for path in runner.message_hub.runtime_info.get(_OUTDATED, []):
        if path not in current and is_main_process():
            _remove(self.file_backend, path)
    runner.message_hub.update_info(_OUTDATED, [])


def _swept(original: Callable) -> Callable:

    @wraps(original)
    def before_train(self, runner) -> None:
        from mmengine.dist import is_main_process

        original(self, runner)
        if runner._resume:  # a better score later has it written again, as before the resume
            self.last_ckpt = runner.message_hub.runtime_info.get('last_ckpt')
            _remove_outdated_best(self, runner)
        if is_main_process():  # what a killed run has left half-written
            for folder in {Path(runner.work_dir), Path(self.out_dir)}:
                for part in folder.glob('.*.part'):
                    if re.fullmatch(rf'\.({RECORD}|{VALIDATED}|.*\.pth)\..*', part.stem):
                        part.unlink(missing_ok=True)

    before_train.original = original
    return before_train


def is_whole(path: str | Path) -> bool:
    """Whether a checkpoint has all the bytes it was written with (by the sums in its archive)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError):
        return False


def find_latest_checkpoint(path: str) -> str | None:
    """Stands for mmengine's function; what it returns is whole.

    Args:
        path: Work dir of the run.

    Returns:
        The checkpoint that ``last_checkpoint`` names or, if it is torn or not there, the newest
        whole ``epoch_N.pth`` or ``iter_N.pth`` beside it; None in a folder without any.

    Raises:
        UsageError: If there are checkpoints and none is whole.
    """
    from mmengine.logging import print_log

    whole, wrong = look_for_checkpoint(path)
    if wrong:
        found = f'resuming from the newest whole file {whole}' if whole else 'nothing to resume'
        print_log(f'{wrong}: {found}', logger='current', level=logging.WARNING)
    return whole


def look_for_checkpoint(path: str) -> tuple[str | None, str]:
    """What :func:`find_latest_checkpoint` returns, and what is wrong, '' where nothing is."""
    record = Path(path) / RECORD
    named = record.read_text(errors='replace').strip() if record.is_file() else ''
    if '://' in named or (named and (Path(named).is_dir() or is_whole(named))):
        return named, ''
    folders = {Path(path)} | ({Path(named).parent} if named else set())
    files = [
        file
        for folder in folders
        for file in folder.glob('*.pth')
        if _RESUMABLE.fullmatch(file.name)
    ]
    files.sort(key=lambda file: (file.stat().st_mtime_ns, file.name), reverse=True)
    whole = next(filter(is_whole, files), None)
    if not named:
        wrong = f'{record} {"is empty" if record.is_file() else "does not exist"}'
    else:
        wrong = f'{record} names {named}, which {"is torn" if Path(named).exists() else "is gone"}'
    if whole is None and (named or files):
        raise UsageError(
            f'{wrong}, and {path} holds no whole checkpoint to resume from: train '
            'anew without --resume, or name a checkpoint by --resume PATH'
        )
    return None if whole is None else str(whole), wrong


def apply() -> bool:
    """Put all of them where mmengine looks them up."""
    if find_spec('mmengine') is None:
        return False
    from mmengine import runner as runners
    from mmengine.fileio import LocalBackend
    from mmengine.hooks import CheckpointHook

    LocalBackend.put, LocalBackend.put_text = put, put_text
    for module in (runners, runners.runner, runners.checkpoint, runners._flexible_runner):
        module.find_latest_checkpoint = find_latest_checkpoint
    if not hasattr(CheckpointHook.before_train, 'original'):
        CheckpointHook._save_checkpoint_with_step = save_with_step
        CheckpointHook._save_best_checkpoint = _best_after_good(
            CheckpointHook._save_best_checkpoint
        )
        CheckpointHook.before_train = _swept(CheckpointHook.before_train)
    return True
