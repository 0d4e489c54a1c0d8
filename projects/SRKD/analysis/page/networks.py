"""Which networks a few work dirs hold: teacher, student alone, students with a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config, ConfigDict

from ...base import UsageError
from ...base.provenance import ROOT
from ...compat.mmengine_save_best import main_score
from ...distill.newest_checkpoint import newest_checkpoint
from ...engine.config_file import load_config
from ..networks import plain_config
from .work_dir import Run

ROLES = ('alone', 'distilled', 'other', 'teacher')  # in this order on the page


class Network(NamedTuple):
    """One network of the page.

    Attributes:
        name: In tables and legends.
        role: One of ``ROLES``.
        config: Its plain config.
        checkpoint: Its weights; None: not found.
        scores: As logged; empty: not tested.
        scored: Where the scores are from.
    """

    name: str
    role: str
    config: Config
    checkpoint: Path | None
    scores: Mapping[str, float]
    scored: str

    @property
    def runs(self) -> bool:
        """Whether its weights are there."""
        return self.checkpoint is not None and self.checkpoint.is_file()


def networks_of(runs: Sequence[Run]) -> list[Network]:
    """Sort work dirs into networks.

    A run that distills tells who is who: its teacher is a run of the config that it names, the
    student alone is a run of its student's model. What fits neither has the name of its folder.

    Args:
        runs: Trainings, and tests of their checkpoints.
    """
    trainings = [run for run in runs if not run.tested]
    tests = [run for run in runs if run.tested]
    distilled = [run for run in trainings if run.distills]
    found: dict[str, Network] = {}
    for run in trainings:
        name, role = _who(run, distilled)
        name = f'{name} ({run.folder.name})' if name in found else name
        found[name] = Network(
            name, role, plain_config(run.config), run.checkpoint, *_scores(run, tests)
        )
    if not any(one.role == 'teacher' for one in found.values()):
        found |= {one.name: one for one in _teachers(distilled, tests)}
    held = [one.checkpoint.resolve() for one in found.values() if one.checkpoint]
    for run in tests:
        if run.checkpoint is None or run.checkpoint.resolve() not in held:
            name = run.folder.name
            scored = f'tools/test.py, {run.folder}'
            found[name] = Network(
                name, 'other', plain_config(run.config), run.checkpoint, run.tested, scored
            )
    return sorted(found.values(), key=lambda one: ROLES.index(one.role))


def headline_score(networks: Sequence[Network]) -> str | None:
    """The main score that the most networks have."""
    names = [name for one in networks if (name := main_score(one.scores))]
    return max(names, key=names.count) if names else None


def _who(run: Run, distilled: Sequence[Run]) -> tuple[str, str]:
    if run.distills:
        method = run.name.split('_')[0] if '_' in run.name else run.folder.name
        return f'student, {method}', 'distilled'
    for taught in distilled:
        teacher = taught.config.model.teacher.get('config')
        if isinstance(teacher, (str, Path)) and Path(teacher).stem == run.name:
            return 'teacher', 'teacher'
        if _same(taught.config.model.student, run.config.model):
            return 'student alone', 'alone'
    return run.folder.name, 'other'


def _same(one: ConfigDict, other: ConfigDict) -> bool:
    return ConfigDict(one).to_dict() == ConfigDict(other).to_dict()


def _scores(run: Run, tests: Sequence[Run]) -> tuple[Mapping[str, float], str]:
    """Scores of a training: of a test of its newest checkpoint, else of its last validation."""
    if run.checkpoint is not None:
        for test in tests:
            if test.checkpoint and test.checkpoint.resolve() == run.checkpoint.resolve():
                return test.tested, f'tools/test.py, {test.folder}'
    if run.validations:
        last = run.validations[-1]
        kept = {k: v for k, v in last.items() if k not in ('step', 'time', 'data_time')}
        return kept, f'validation {last["step"]:g} of {run.folder}'
    return {}, ''


def _teachers(distilled: Sequence[Run], tests: Sequence[Run]) -> Iterator[Network]:
    """The teacher of the first run that has one, where its config is still there."""
    for run in distilled[:1]:
        teacher = run.config.model.teacher
        path = _found(teacher.get('config'))
        if path is None:
            continue
        try:
            file = teacher.get('checkpoint') or newest_checkpoint(path)
        except UsageError:
            file = None
        checkpoint = _found(file) if file else None
        scores, scored = {}, ''
        for test in tests:
            if checkpoint and test.checkpoint and test.checkpoint.resolve() == checkpoint:
                scores, scored = test.tested, f'tools/test.py, {test.folder}'
        yield Network(
            'teacher', 'teacher', plain_config(load_config(path)), checkpoint, scores, scored
        )


def _found(path: object) -> Path | None:
    """A file that a config names, from here or from the checkout."""
    if not isinstance(path, (str, Path)):
        return None
    places = (Path(path), ROOT / path)
    return next((place.resolve() for place in places if place.is_file()), None)
