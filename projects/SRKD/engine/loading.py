"""What a training starts from: nothing, weights, or the state of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from ..base import FileMissingError, UsageError, UsageTypeError, nearest_path
from ..compat.hub_files import PREFIX, hub_file
from ..compat.mmengine_checkpoints import look_for_checkpoint


class Start(NamedTuple):
    """What a run starts from, beside what its config says.

    Attributes:
        partial: Whether weights may stay as initialized, and further ones be left out.
        told: What the log is to say of a run that has nothing to resume; '' elsewhere.
    """

    partial: bool
    told: str = ''


def settle_loading(cfg: Config, resume: str | None, partial: bool) -> Start:
    """Write into a config, in place, what mmengine's runner is to load.

    A run that shall go on but has no checkpoint yet, as a cluster's job has it that may have been
    started before, begins with the config's ``load_from``.

    Args:
        cfg: The config; ``load_from`` may be ``dict(checkpoint=..., partial=True)``.
        resume: ``auto``, a path, or None: as the config says.
        partial: Whether the command line allows weights to stay as initialized.

    Raises:
        FileMissingError: If there is no such file.
        UsageError: If weights may stay as initialized and none are loaded, or a run is resumed.
    """
    source, told = cfg.get('load_from'), ''
    if isinstance(source, Mapping):
        source, partial = _read(source, partial)
    if resume is None and cfg.get('resume') and not source:
        resume = 'auto'  # as mmengine has it
    if resume is not None:
        cfg.resume = True
        source = source if resume == 'auto' else resume
    if partial and resume not in (None, 'auto'):
        raise UsageError(
            '--partial belongs to load_from and not to --resume: a resumed run continues the '
            'same network'
        )
    if partial and not source:
        raise UsageError('--partial needs load_from, the checkpoint to start from, but got none')
    if resume == 'auto':
        found, reason = look_for_checkpoint(cfg.work_dir)
        if found is None:
            cfg.resume = False
            begin = f'with the weights of {source}' if source else 'from the beginning'
            told = f'nothing to resume in {cfg.work_dir} ({reason}): training starts {begin}'
        else:
            source = None
    if source:
        key = '--resume' if resume not in (None, 'auto') else 'load_from'
        check_checkpoint(key, source)
    cfg.load_from = source
    return Start(partial, told)


def check_checkpoint(key: str, path: str | Path) -> None:
    """Refuse a path that leads nowhere; URLs are left to mmengine.

    Raises:
        FileMissingError: Naming the nearest file.
        UsageError: If it is a folder.
        UsageTypeError: If it is no path.
    """
    if not isinstance(path, (str, Path)):
        raise UsageTypeError(f'{key} must be the path of a checkpoint, but got {path!r}')
    if Path(path).expanduser().is_dir():
        names = ', '.join(sorted(file.name for file in Path(path).expanduser().glob('*.pth'))[:3])
        raise UsageError(
            f'{key} {path} is a folder, expected a checkpoint; it holds '
            f'{names or "no file that ends in .pth"}'
        )
    if str(path).startswith(PREFIX):
        hub_file(str(path))
    elif '://' not in str(path) and not Path(path).expanduser().is_file():
        raise FileMissingError(
            f'{key} {path} does not exist (looked from {Path.cwd()}); {nearest_path(path)}'
        )


def _read(source: Mapping, partial: bool) -> tuple[str, bool]:
    further = set(source) - {'checkpoint', 'partial'}
    if further or 'checkpoint' not in source:
        raise UsageError(
            'load_from must be a path or dict(checkpoint=..., partial=True), but got the keys '
            f'{", ".join(map(str, source)) or "none"}'
        )
    return source['checkpoint'], partial or bool(source.get('partial', False))
