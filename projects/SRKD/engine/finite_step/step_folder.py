"""The folder of a step that was not finite: whole or not there, small, and read without running it.

``weights.pth`` holds the parameters, ``rankN.pth`` what the process N began the step with and what
came of it. All of it is plain data, see :mod:`.packing`.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, barrier, broadcast_object_list, is_main_process
from torch import Tensor

from ...base import UsageError, write_whole
from ...base.replacing import put_in_place, remove
from ...compat.safe_pickle import load_checkpoint

WEIGHTS = 'weights.pth'
FORMAT = 1
_NAME = re.compile(r'non_finite_iter\d+')
_LEFT = re.compile(rf'\.{_NAME.pattern}\.(old\.)?part')


def keep_step(
    folder: Path, files: Callable[[], Mapping[str, Any]], limit: int, kept: int
) -> str | None:
    """Write a folder together with the other processes; older ones beyond ``kept`` are removed.

    Every process must call it. A fault of writing is returned and not raised: it must not hide the
    one that is told, nor leave other processes waiting.

    Args:
        folder: Its name is ``non_finite_iterN``; one of this name is replaced.
        files: Makes those of this process, content by file name; may be none.
        limit: Bytes that the tensors of a process may take.
        kept: How many such folders stay.

    Returns:
        Why there is no folder; None if there is.
    """
    part = folder.with_name(f'.{folder.name}.part')
    wrong = _attempt(_make_empty, part) if is_main_process() else None
    barrier()
    wrong = wrong or _attempt(_write, part, files, limit)
    reasons = [reason for reason in all_gather_object(wrong) if reason]
    if is_main_process() and not reasons:
        reasons = [_attempt(_publish, part, folder, kept)]
    if is_main_process():
        shutil.rmtree(part, ignore_errors=True)
    told = [reasons[0] if reasons else None]
    broadcast_object_list(told)
    return told[0]


def read_rank(folder: str | Path, rank: int | None = None) -> dict:
    """What a process kept of the step.

    Args:
        folder: A folder of :func:`keep_step`.
        rank: Of the process; None: the first that is there.

    Raises:
        UsageError: If it is no such folder, damaged, or of another version.
    """
    folder = Path(folder)
    ranks = sorted(int(path.stem[4:]) for path in folder.glob('rank*.pth'))
    if not ranks or (rank is not None and rank not in ranks):
        asked = 'one of a rank' if rank is None else f'rank {rank}'
        there = ', '.join(map(str, ranks)) or 'none'
        raise UsageError(
            f'{folder} must be a folder non_finite_iterN of a work dir with {asked}, but got the '
            f'ranks {there}'
        )
    content = load_checkpoint(folder / f'rank{ranks[0] if rank is None else rank}.pth')
    found = content.get('format') if isinstance(content, Mapping) else None
    if found != FORMAT:
        raise UsageError(
            f'{folder} must be of format {FORMAT}, but got {found}: replay it with the version '
            'that wrote it'
        )
    return content


def read_weights(folder: str | Path) -> dict[str, Tensor]:
    """The parameters before the step, by name.

    Raises:
        FileMissingError: If the folder has none.
        UsageError: If the file is damaged.
    """
    return load_checkpoint(Path(folder) / WEIGHTS)


def _attempt(act: Callable, *args) -> str | None:
    try:
        act(*args)
    except Exception as error:  # whatever it is, the fault of the step is what must be told
        return f'{type(error).__name__}: {error}'
    return None


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _write(folder: Path, make: Callable[[], Mapping[str, Any]], limit: int) -> None:
    files = make()
    size = sum(map(_size, files.values()))
    if size > limit:
        raise UsageError(
            f'the step takes {size / 2**20:,.0f} MiB, at most {limit / 2**20:,.0f} MiB are kept '
            '(max_mib of FiniteStepHook)'
        )
    for name, content in files.items():
        with write_whole(folder / name) as part:
            torch.save(_to_cpu(content), part)


def _publish(part: Path, folder: Path, kept: int) -> None:
    put_in_place(part, folder)
    for path in folder.parent.iterdir():
        if _LEFT.fullmatch(path.name):  # by a run that was killed here
            remove(path)
    old = [path for path in folder.parent.iterdir() if _NAME.fullmatch(path.name)]
    for path in sorted(old, key=lambda path: path.stat().st_mtime)[:-kept]:
        shutil.rmtree(path, ignore_errors=True)


def _size(content: Any) -> int:
    if isinstance(content, Mapping):
        return sum(map(_size, content.values()))
    if isinstance(content, (list, tuple)):
        return sum(map(_size, content))
    return getattr(content, 'nbytes', 0)


def _to_cpu(content: Any) -> Any:
    """A copy on the CPU; views of a larger storage become tensors of their own."""
    if isinstance(content, Tensor):
        return content.detach().cpu().clone()
    if isinstance(content, Mapping):
        return {key: _to_cpu(each) for key, each in content.items()}
    if isinstance(content, (list, tuple)):
        return type(content)(map(_to_cpu, content))
    return content
