"""Results of a study: one JSON file per finished run, so that a stopped study goes on from them."""

import json
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path

from projects.SRKD.base import UsageError, write_text
from projects.SRKD.base.provenance import ROOT, digest
from studies.plan import Plan

RESULTS = ROOT / 'studies' / 'results'
# Packages that measure, draw or judge: no training or score depends on them.
_ASIDE = ('analysis', 'visualization', 'preflight')


@dataclass(frozen=True)
class Result:
    """A finished run.

    Attributes:
        plan: Name of the plan.
        arm: Name of the arm.
        pair: Seed of the pair.
        key: Digest of what it was asked: config, options, data, teacher, test.
        code: Digest of the code that it ran on.
        claims: Digest of the plan's primary comparisons when it ran.
        commit: Of the code.
        metrics: All that the test logged; empty of a diverged run.
        seconds: Wall time of the training.
        cpu_seconds: CPU time of the training, which other processes do not stretch.
        diverged: What ended the training where its loss or a gradient was not finite.
        fidelity: Agreement and KL with the teacher on the test scans; empty without a teacher.
        unlabeled: Classes of which no point was labeled.
    """

    plan: str
    arm: str
    pair: int
    key: str
    code: str
    claims: str
    commit: str
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    diverged: str | None = None
    fidelity: dict[str, float] = field(default_factory=dict)
    unlabeled: list[str] = field(default_factory=list)


class State(Enum):
    """What is known of a planned run."""

    MISSING = 'missing'
    STALE = 'config changed'
    OTHER_CODE = 'other code'
    DONE = 'done'


class RunStore:
    """The results of one plan in a folder.

    Args:
        plan: The plan.
        folder: Default: ``studies/results/NAME``.
    """

    def __init__(self, plan: Plan, folder: Path | None = None) -> None:
        self.plan = plan
        self.folder = folder or RESULTS / plan.name

    def path(self, arm: str, pair: int) -> Path:
        """File of a run."""
        return self.folder / f'{arm}_{pair}.json'

    def read(self, arm: str, pair: int) -> Result | None:
        """The result of a run; None if it has not finished.

        Raises:
            UsageError: If the file is of another plan or no result.
        """
        path = self.path(arm, pair)
        if not path.is_file():
            return None
        try:
            found = Result(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise UsageError(f'{path} must hold the result of a run, but {error}') from None
        if (found.plan, found.arm, found.pair) != (self.plan.name, arm, pair):
            raise UsageError(
                f'{path} must be of plan {self.plan.name!r}, arm {arm!r}, pair {pair}, but it is '
                f'of plan {found.plan!r}, arm {found.arm!r}, pair {found.pair}'
            )
        return found

    def write(self, result: Result) -> None:
        """Keep a result; the file appears whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(result), indent=1) + '\n'
        write_text(self.path(result.arm, result.pair), text)

    def all(self) -> dict[tuple[str, int], Result]:
        """Every result of a planned run, by arm and pair."""
        runs = ((arm.name, pair) for arm, pair in self.plan.runs)
        found = {run: self.read(*run) for run in runs}
        return {run: result for run, result in found.items() if result is not None}

    def state(self, arm: str, pair: int, key: str, code: str) -> State:
        """Compare what a run is asked now with what it was asked."""
        found = self.read(arm, pair)
        if found is None:
            return State.MISSING
        if found.key != key:
            return State.STALE
        return State.DONE if found.code == code else State.OTHER_CODE


def code_digest() -> str:
    """Digest of the code that trainings and tests run on."""
    folder = ROOT / 'projects' / 'SRKD'
    files = [*folder.rglob('*.py'), ROOT / 'tools' / 'train.py', ROOT / 'tools' / 'test.py']
    kept = sorted(p for p in files if not set(p.relative_to(ROOT).parts[2:3]) & set(_ASIDE))
    return digest([[str(path.relative_to(ROOT)), path.read_text()] for path in kept])
