"""What a training or a test left in its work dir."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ...base import FileMissingError, UsageError, nearest_path
from ...base.json_file import read_json
from ...engine.config_file import load_config

_TIME = re.compile(r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - ', re.MULTILINE)
_FACT = re.compile(
    r'^ +(Python|PyTorch|MMEngine|CUDA_HOME|GPU [\d,]+|seed): (.+)$|(?:INFO - )(commit): (\S+)',
    re.MULTILINE,
)
_CONFIG = '*/vis_data/config.py'
_LEAST = '<time stamp>/vis_data/config.py'


@dataclass(frozen=True)
class Run:
    """A work dir, as ``tools/train.py`` or ``tools/test.py`` left it.

    Attributes:
        folder: The work dir.
        name: Of the config file, without its ending.
        config: As it was run, options of the command line included.
        steps: What was logged in training, in order; each has ``step``.
        validations: What its validations logged; ``step`` is the epoch, or the iteration.
        tested: Scores of the newest ``tools/test.py`` in the folder; empty of a training.
        facts: Seed, versions and commit, as far as the log tells.
        began: When the first process started.
        seconds: From the first line of the log to its last, all processes together.
    """

    folder: Path
    name: str
    config: Config
    steps: list[dict[str, float]]
    validations: list[dict[str, float]]
    tested: dict[str, float]
    facts: dict[str, str]
    began: str
    seconds: float

    @property
    def distills(self) -> bool:
        """Whether it has a teacher."""
        return 'student' in self.config.model and 'teacher' in self.config.model

    @cached_property
    def checkpoint(self) -> Path | None:
        """Its newest checkpoint; of a test, the tested file."""
        if self.tested and self.config.get('load_from'):
            return Path(self.config.load_from)
        note = self.folder / 'last_checkpoint'
        if not note.is_file():
            return None
        here = self.folder / Path(note.read_text().strip()).name  # the folder may have been moved
        return here if here.is_file() else None

    @property
    def planned(self) -> tuple[int, str]:
        """Length of the training and its unit, ``epoch`` or ``iter``."""
        loop = self.config.get('train_cfg') or {}
        if loop.get('max_epochs'):
            return loop['max_epochs'], 'epoch'
        return loop.get('max_iters') or 0, 'iter'

    def remarks(self) -> Iterator[str]:
        """What a reader of the numbers must know, each a sentence."""
        if self.tested:
            return
        again = f'python tools/train.py {self.folder / self.name}.py --work-dir {self.folder}'
        if not self.steps:
            yield f'{self.folder} has logged no step yet: {again}'
            return
        kept = sorted(path.name for path in self.folder.glob('non_finite_iter*'))
        lost = [one['step'] for one in self.steps if not all(map(math.isfinite, one.values()))]
        if kept or lost:
            where = f'at {kept[0]}' if kept else f'from step {lost[0]} on'
            replay = f': python tools/replay_step.py {self.folder / kept[0]}' if kept else ''
            yield f'{self.folder} diverged {where}, a loss was no number{replay}'
            return
        length, unit = self.planned
        done = self.steps[-1].get(unit, self.steps[-1]['step'])
        if done < length:
            yield (f'{self.folder} is half finished, {unit} {done:g} of {length}: {again} --resume')


def is_work_dir(folder: Path) -> bool:
    """Whether a training or a test has begun there."""
    return any(folder.glob(_CONFIG))


def read_run(folder: str | Path) -> Run:
    """Read a work dir.

    Raises:
        FileMissingError: If there is no such folder.
        UsageError: If it is empty or something else, or a log in it is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileMissingError(f'work dir {folder} does not exist; {nearest_path(folder)}')
    configs = sorted(folder.glob(_CONFIG))
    if not configs:
        raise UsageError(_told_foreign(folder))
    names = sorted(folder.glob('*.py'), key=lambda path: path.stat().st_mtime)
    stamps = [path.parents[1] for path in configs]
    tested = {}
    for stamp in stamps:
        if (stamp / f'{stamp.name}.json').is_file():
            tested = read_json(stamp / f'{stamp.name}.json')
    entries = _joined([_scalars(stamp) for stamp in stamps]) if not tested else []
    facts, began, seconds = _facts(folder, stamps)
    return Run(
        folder=folder,
        name=names[-1].stem if names else folder.name,
        config=load_config(configs[-1]),
        steps=[one for one in entries if _is_step(one)],
        validations=[one for one in entries if not _is_step(one)],
        tested=tested,
        facts=facts,
        began=began,
        seconds=seconds,
    )


def _told_foreign(folder: Path) -> str:
    held = sorted(path.name for path in folder.iterdir())
    runs = sorted({str(path.parents[2]) for path in folder.glob(f'*/{_CONFIG}')})
    if runs:
        hint = f'its folders are some, name them: {" ".join(runs)}'
    elif held:
        hint = f'it holds {", ".join(held[:3])}{", ..." if len(held) > 3 else ""}'
    else:
        hint = 'it is empty'
    return (
        f'a work dir must be what tools/train.py or tools/test.py wrote ({_LEAST}), but got '
        f'{folder}: {hint}'
    )


def _scalars(stamp: Path) -> list[dict[str, Any]]:
    """Entries of one process; a last line that was cut off is left out."""
    path = stamp / 'vis_data' / 'scalars.json'
    if not path.is_file():
        return []
    entries, lines = [], path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            if number == len(lines):
                break
            raise UsageError(
                f'line {number} of {path} must be a JSON object, but got {line[:40]!r}: the log '
                'is damaged'
            ) from None
        if not isinstance(entry, dict) or 'step' not in entry:
            raise UsageError(
                f'line {number} of {path} must be a JSON object with "step", but got '
                f'{line[:40]!r}: it is no log of mmengine'
            )
        entries.append({k: v for k, v in entry.items() if isinstance(v, (int, float))})
    return entries


def _is_step(entry: dict) -> bool:
    return 'loss' in entry or 'lr' in entry


def _joined(processes: list[list[dict]]) -> list[dict]:
    """One history: what a resumed process logs again takes the place of what was there."""
    joined: list[dict] = []
    for entries in processes:
        for kind in (True, False):
            first = min((e['step'] for e in entries if _is_step(e) is kind), default=math.inf)
            joined = [e for e in joined if _is_step(e) is not kind or e['step'] < first]
        joined += entries
    return joined


def _facts(folder: Path, stamps: list[Path]) -> tuple[dict[str, str], str, float]:
    facts, began, seconds = {}, '', 0.0
    for stamp in stamps:
        for log in sorted(stamp.glob('*.log')):
            text = log.read_text(errors='replace')
            for plain, value, other, word in _FACT.findall(text):
                facts[plain or other] = (value or word).split(' (')[0]
            times = _TIME.findall(text)
            if times:
                began = began or times[0]
                first, last = (datetime.strptime(t, '%Y/%m/%d %H:%M:%S')
                               for t in (times[0], times[-1]))  # fmt: skip
                seconds += (last - first).total_seconds()
    note = folder / 'step.json'  # of a demo or a study
    if 'commit' not in facts and note.is_file():
        commit = read_json(note).get('commit')
        facts |= {'commit': str(commit)} if commit else {}
    return facts, began, seconds
