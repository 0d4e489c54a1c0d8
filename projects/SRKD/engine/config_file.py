"""From a config file and a command line to a config whose every check has passed."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.config.utils import ConfigParsingError

from ..base import FileMissingError, UsageError, nearest_path
from ..preflight import check_config

# What Python and mmengine raise while they run a config file.
_BROKEN = (
    SyntaxError, NameError, ImportError, AttributeError, LookupError, TypeError, ValueError,
    OSError, ConfigParsingError,
)  # fmt: skip


def read_config(
    config: str | Path,
    work_dir: str | Path | None = None,
    cfg_options: Mapping | None = None,
    launcher: str = 'none',
    ceph: bool = False,
    splits: Sequence[str] = ('train', 'val', 'test'),
) -> Config:
    """Read a config file and merge the command line into it.

    Args:
        config: Path of the file.
        work_dir: Folder of the run; None: the config's own, else ``work_dirs/<config name>``.
        cfg_options: Dotted keys and their values.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        ceph: Whether data is read through petrel's ceph client.
        splits: Loaders the run will use; their data must be there.

    Raises:
        UsageError: If the file does not exist or cannot be run, an option cannot be merged, or a
            check of :mod:`projects.SRKD.preflight` fails.
    """
    cfg = load_config(config)
    if ceph:
        from mmdet3d.utils import replace_ceph_backend

        cfg = replace_ceph_backend(cfg)
    cfg.launcher = launcher
    if cfg_options:
        merge_options(cfg, cfg_options)
    if work_dir is not None or cfg.get('work_dir') is None:
        cfg.work_dir = str(work_dir or Path('work_dirs') / Path(config).stem)
    for split in splits:
        _settle_workers(cfg.get(f'{split}_dataloader'))
    check_config(cfg, splits)
    return cfg


def load_config(config: str | Path) -> Config:
    """Run a config file; what is wrong with it or its bases is told in one sentence.

    Raises:
        FileMissingError: If there is no such file; names the nearest.
        UsageError: If it cannot be run.
    """
    if not Path(config).is_file():
        raise FileMissingError(
            f'config {config} does not exist (looked from {Path.cwd()}); {nearest_path(config)}'
        )
    try:
        return Config.fromfile(config)
    except _BROKEN as error:
        said = ' '.join(str(error).split())
        raise UsageError(
            f'config {config} cannot be read: {type(error).__name__}: {said}'
        ) from error


def parse_options(words: Sequence[str] | None) -> dict:
    """Read ``KEY=VALUE`` words of a command line as mmengine's ``DictAction`` does.

    Raises:
        UsageError: If a word has no ``=``, or brackets that do not match.

    Example:
        >>> parse_options(['model.width=3', 'a=[1,b]', 'c=None'])
        {'model.width': 3, 'a': [1, 'b'], 'c': None}
    """
    options = Namespace(read={})
    for word in words or ():
        if '=' not in word:
            raise UsageError(f'--cfg-options must be words of the form KEY=VALUE, but got {word!r}')
        try:
            DictAction([], dest='read')(None, options, [word])
        except AssertionError as error:
            raise UsageError(f'--cfg-options {word} cannot be read: {error}') from error
    return options.read


def merge_options(cfg: Config, options: Mapping) -> None:
    """Merge dotted keys and their values into a config, in place.

    Raises:
        UsageError: If a key leads into something that is no dict or list.
    """
    for key, value in options.items():
        try:
            cfg.merge_from_dict({key: value})
        except (TypeError, KeyError, IndexError, ValueError, AttributeError) as error:
            said = ' '.join(str(error).split())
            raise UsageError(f'--cfg-options {key}={value} cannot be merged: {said}') from error


def _settle_workers(loader: Mapping | None) -> None:
    """Let ``num_workers=0`` be said alone; torch wants what belongs to workers taken back, too."""
    if isinstance(loader, Mapping) and loader.get('num_workers') == 0:
        loader['persistent_workers'] = False
        loader.pop('prefetch_factor', None)
