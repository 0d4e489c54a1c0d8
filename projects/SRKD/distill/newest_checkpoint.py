"""The checkpoint that a training of a config left, for a teacher that names none."""

from pathlib import Path

from mmengine.runner import find_latest_checkpoint

from ..base import FileMissingError, UsageError

WORK_DIRS = Path('work_dirs')


def newest_checkpoint(config: str | Path) -> str:
    """Newest checkpoint of ``work_dirs/NAME``, where ``tools/train.py NAME.py`` writes.

    Args:
        config: Config file of the teacher, ``.../NAME.py``.

    Raises:
        FileMissingError: If there is no such folder, or no checkpoint in it.
        UsageError: If runs of several configs share the folder.
    """
    config = Path(config)
    folder = WORK_DIRS / config.stem
    wanted = (
        f'train it with python tools/train.py {config}, or name the file: '
        'model.teacher.checkpoint=FILE'
    )
    if not folder.is_dir():
        raise FileMissingError(
            f'model.teacher names no checkpoint, and its work dir {folder} does not exist: {wanted}'
        )
    dumped = sorted(path.name for path in folder.glob('*.py'))  # by the runner, one for each config
    if set(dumped) - {config.name}:
        raise UsageError(
            f'model.teacher names no checkpoint, and its work dir {folder} holds runs of several '
            f'configs ({", ".join(dumped)}), expected {config.name} alone: name the file, '
            'model.teacher.checkpoint=FILE'
        )
    found = find_latest_checkpoint(str(folder))
    if found is None:
        raise FileMissingError(
            f'model.teacher names no checkpoint, and its work dir {folder} holds none: {wanted}'
        )
    return found
