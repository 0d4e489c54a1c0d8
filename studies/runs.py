"""Trainings and tests as subprocesses, each done once.

``Runs`` keeps one folder per step. A finished step is not repeated as long as its key is the same:
the resolved text of its config, its options and the keys of the steps it builds on. A step that
was interrupted goes on from its last checkpoint; one whose key changed starts anew.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from projects.SRKD.base import write_text
from projects.SRKD.base.lock import folder_held, place_held
from projects.SRKD.base.provenance import ROOT, commit, digest
from studies.config_files import config_content

STAMP = 'step.json'
_ENVIRONMENT = {
    'PYTHONUNBUFFERED': '1',
    'PYTHONWARNINGS': 'ignore:pkg_resources is deprecated',  # once per import of a data set library
    'GOMP_SPINCOUNT': '10000',  # threads that spin for long make a busy CPU several times slower
}
_LAST_LINES = 15  # of a failed step's output, repeated in the message


class StepFailed(RuntimeError):
    """A step's command failed, or did not leave what it should."""


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        config: File it was trained from.
        checkpoint: Its last checkpoint.
        key: Digest of all it depends on.
    """

    config: Path
    checkpoint: Path
    key: str


def last_checkpoint(folder: Path) -> Path | None:
    """The checkpoint mmengine's ``last_checkpoint`` names, wherever the folder was moved to."""
    note = folder / 'last_checkpoint'
    if not note.is_file():
        return None
    checkpoint = folder / Path(note.read_text().strip()).name
    return checkpoint if checkpoint.is_file() else None


def finished_cache(folder: Path) -> Path | None:
    """The folder, if ``tools/cache_teacher.py`` has stored every scan in it."""
    about = folder / 'cache.json'
    return folder if about.is_file() and json.loads(about.read_text())['finished'] else None


def read_metrics(folder: Path) -> dict[str, float]:
    """Metrics of the latest ``tools/test.py`` run in a folder, from mmengine's JSON log.

    Raises:
        StepFailed: If no such log is there.
    """
    logs = [path for path in folder.glob('*/*.json') if path.stem == path.parent.name]
    if not logs:
        raise StepFailed(f'no metrics in {folder}, expected <time stamp>/<time stamp>.json')
    return json.loads(max(logs).read_text())


def clock(seconds: float) -> str:
    """Minutes and seconds.

    Example:
        >>> clock(75.2)
        '01:15'
    """
    return f'{int(seconds) // 60:02d}:{int(seconds) % 60:02d}'


class Runs:
    """Steps below one folder, each done once; their output is streamed.

    Args:
        root: Folder of the steps.
        total: Number of steps to come, for the headlines.
        echo: Takes headlines, commands and output, line by line.
        shown: Which lines of output are echoed; all of them are kept in ``output.log``.
    """

    def __init__(
        self,
        root: Path,
        total: int,
        echo: Callable[[str], None] | None = None,
        shown: Callable[[str], bool] = lambda line: True,
    ) -> None:
        self.root = root
        self.total = total
        self.echo = echo or (lambda line: print(line, flush=True))
        self.shown = shown
        self.start = time.monotonic()
        self.count = 0
        self._neighbors = 1  # steps that run at the same time

    def headline(self, text: str) -> None:
        """Announce the next step with the time since the start."""
        self.count += 1
        elapsed = clock(time.monotonic() - self.start)
        self.echo(f'\n=== [{self.count}/{self.total}] {elapsed}  {text}')

    def step(
        self,
        name: str,
        title: str,
        command: Sequence[str],
        key: str,
        product: Callable[[Path], Any],
        resumed: Sequence[str] = (),
    ) -> Any:
        """Run a command in the repository root unless its product is there already.

        Args:
            name: Folder of the step below ``root``.
            title: For the headline.
            command: Words of the command.
            key: Digest of everything the product depends on.
            product: Finds the product in the folder; None or ``StepFailed`` if it is not there.
            resumed: Words added when an interrupted command of the same key is repeated.

        Returns:
            What ``product`` found.

        Raises:
            StepFailed: If the command fails or leaves no product.
            HeldError: If another process runs the step.
        """
        with place_held(self.root / name, 'step'):
            return self._step(self.root / name, title, command, key, product, resumed)

    def _step(self, folder: Path, title: str, command: Sequence[str], key: str,
              product: Callable[[Path], Any], resumed: Sequence[str]) -> Any:  # fmt: skip
        stamp = folder / STAMP
        known = json.loads(stamp.read_text()) if stamp.is_file() else {}
        if known.get('key') == key and known.get('done'):
            found = _find(product, folder)
            if found is not None:
                self.headline(f'{title}: done before, in {clock(known["seconds"])}')
                return found
        self.headline(title)
        if folder.exists() and known.get('key') != key:
            if not known and any(folder.iterdir()):
                raise StepFailed(f'{folder} is in the way: it was not written by a step ({STAMP})')
            with folder_held(folder, 'folder of a changed step'):  # not one trained by hand
                shutil.rmtree(folder)
        begun = folder.exists()
        spent = known.get('seconds', 0.0) if begun else 0.0
        cpu_spent = known.get('cpu_seconds', 0.0) if begun else 0.0
        command = [*command, *(resumed if begun else ())]
        note = dict(
            key=key,
            command=shlex.join(command),
            commit=commit(),
            done=False,
            seconds=spent,
            cpu_seconds=cpu_spent,
        )
        write_text(stamp, json.dumps(note, indent=1))
        self.echo(f'$ {note["command"]}')
        began = time.monotonic()
        try:
            self._stream(command, folder / 'output.log', note)
            found = _find(product, folder)
            if found is None:
                raise StepFailed(f'the command ended well but left no result in {folder}')
            note['done'] = True
        finally:
            note['seconds'] = spent + time.monotonic() - began
            write_text(stamp, json.dumps(note, indent=1))
        return found

    def side_by_side(self, *calls: Callable[[], Any]) -> list[Any]:
        """Run steps at the same time, as many as there are cores, each with its share of them.

        Networks this small train faster so than one after the other on all cores. Output begins
        with the folder of its step; ``OMP_NUM_THREADS`` is left alone where it is set.

        Args:
            calls: Each runs steps one after the other.

        Returns:
            What each call returns.

        Raises:
            StepFailed: The first failure, after all calls have ended.
        """
        self._neighbors = min(len(calls), os.cpu_count())
        try:
            with ThreadPoolExecutor(self._neighbors) as pool:
                futures = [pool.submit(call) for call in calls]
        finally:
            self._neighbors = 1
        return [future.result() for future in futures]

    def note(self, name: str) -> dict[str, Any]:
        """What is known of a step: command, commit, done, seconds and cpu_seconds."""
        return json.loads((self.root / name / STAMP).read_text())

    def train(
        self,
        name: str,
        title: str,
        config: Path,
        options: Mapping[str, Any],
        needs: Sequence[str] = (),
    ) -> Trained:
        """Train a config with ``tools/train.py``.

        Args:
            name: Folder of the step.
            title: For the headline.
            config: Config file.
            options: ``--cfg-options``.
            needs: Keys of steps whose results it reads (data, teacher).
        """
        key = digest(config_content(config), dict(options), list(needs))
        command = tool('train.py', config, '--work-dir', self.root / name, options=options)
        found = self.step(name, title, command, key, last_checkpoint, resumed=('--resume',))
        return Trained(config, found, key)

    def cache_teacher(
        self,
        name: str,
        title: str,
        config: Path,
        options: Mapping[str, Any],
        needs: Sequence[str] = (),
    ) -> tuple[Path, str]:
        """Store what a config's teacher says, with ``tools/cache_teacher.py``.

        Takes what :meth:`train` takes; returns the folder of the cache and the key of the step.
        """
        key = digest(config_content(config), dict(options), list(needs))
        command = tool('cache_teacher.py', config, '--out', self.root / name, options=options)
        return self.step(name, title, command, key, finished_cache), key

    def test(
        self,
        name: str,
        title: str,
        config: Path,
        trained: Trained,
        options: Mapping[str, Any],
    ) -> dict[str, float]:
        """Test a trained network with ``tools/test.py`` and a plain config; returns the metrics."""
        key = digest(config_content(config), dict(options), trained.key)
        command = tool(
            'test.py', config, trained.checkpoint, '--work-dir', self.root / name, options=options
        )
        return self.step(name, title, command, key, read_metrics)

    def _stream(self, command: Sequence[str], log: Path, note: dict[str, Any]) -> None:
        """Run a command; adds the CPU seconds of it and of its workers to the note."""
        tail: deque[str] = deque(maxlen=_LAST_LINES)
        alone = self._neighbors == 1
        lead = '' if alone else f'{log.parent.name}: '
        share = {} if alone else {'OMP_NUM_THREADS': str(os.cpu_count() // self._neighbors)}
        with (
            log.open('a') as kept,
            subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors='replace',
                env=_ENVIRONMENT | share | os.environ,
            ) as process,
        ):
            for line in process.stdout:
                kept.write(line)
                tail.append(line.rstrip('\n'))
                if self.shown(tail[-1]):
                    self.echo(lead + tail[-1])
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            note['cpu_seconds'] += usage.ru_utime + usage.ru_stime
        if process.returncode:
            raise StepFailed(
                f'{shlex.join(command)} failed with exit code {process.returncode}; its output is '
                f'in {log} and ends with:\n' + '\n'.join(tail)
            )


def _find(product: Callable[[Path], Any], folder: Path) -> Any:
    try:
        return product(folder)
    except StepFailed:
        return None


def tool(name: str, *words: Any, options: Mapping[str, Any]) -> list[str]:
    """Command line of one of the tools, ``name`` below ``tools``."""
    command = [sys.executable, str(ROOT / 'tools' / name), *map(str, words)]
    if options:
        command += ['--cfg-options', *(f'{key}={value}' for key, value in options.items())]
    return command
