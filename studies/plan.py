"""A study as it is written down before it runs: data, teachers, arms, pairs, comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from projects.SRKD.base.provenance import digest


@dataclass(frozen=True)
class TeacherPlan:
    """A teacher of a study.

    Attributes:
        config: Its config.
        checkpoint: Its weights; None: an untrained network, whose weights are those of ``seed``.
        seed: Of the untrained network.
    """

    config: Path
    checkpoint: Path | None = None
    seed: int = 0


@dataclass(frozen=True)
class Arm:
    """One way to train the student.

    Attributes:
        name: Of the arm, ``alone`` or, of a grid, ``alone-12-30``.
        config: Config file.
        epochs: Length; None: the config's.
        options: ``--cfg-options``; ``{pair}`` in a value stands for the number of the pair.
        teacher: Name of its teacher; None without one.
        pairs: Seeds.
        minutes: About how long a run takes, until one has been timed.
        shorter: The arm that is the same at half its length: it tells whether this one is flat.
        point: Its place in the grid, ``{'labels': 12, 'epochs': 30}``.
    """

    name: str
    config: Path
    epochs: int | None
    options: Mapping[str, Any]
    teacher: str | None
    pairs: tuple[int, ...]
    minutes: float | None = None
    shorter: str | None = None
    point: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """A claim: one arm is better than another.

    Attributes:
        name: ``P1``.
        arm: The arm that is claimed to be better.
        minus: What it is compared with.
        ends: Controls: the claims that end if this one gains a quarter of theirs.
        metric: Key of the metric; default: the plan's first.
    """

    name: str
    arm: str
    minus: str
    ends: tuple[str, ...] = ()
    metric: str | None = None


@dataclass(frozen=True)
class Figure:
    """A picture of arms over one axis of their grids.

    Attributes:
        title: Above it.
        x: Axis of the grid.
        lines: First words of the arms' names that are drawn, one line for each of their other axes.
        log: Whether the axis is logarithmic.
    """

    title: str
    x: str
    lines: tuple[str, ...]
    log: bool = True


@dataclass(frozen=True)
class Plan:
    """What a plan file says, checked.

    Attributes:
        name: Of the file.
        title: Of the page.
        question: What the study asks, in a sentence.
        data: Words of ``tools/make_mini_data.py``; None: it is there, ``--data-root``.
        test: Plain config that all arms are tested with.
        metrics: Keys of what is reported, the first one compared.
        teachers: By name.
        arms: By name, grids unrolled.
        baseline: The arm that a teacher must be ahead of.
        primary: Comparisons fixed before the run; Holm over them.
        secondary: Comparisons without a claim.
        control: Comparisons that end claims.
        figures: Pictures.
    """

    name: str
    title: str
    question: str
    data: tuple[str, ...] | None
    test: Path
    metrics: tuple[str, ...]
    teachers: Mapping[str, TeacherPlan]
    arms: Mapping[str, Arm]
    baseline: str
    primary: tuple[Comparison, ...] = ()
    secondary: tuple[Comparison, ...] = ()
    control: tuple[Comparison, ...] = ()
    figures: tuple[Figure, ...] = ()

    @cached_property
    def claims(self) -> str:
        """Digest of the primary comparisons and their controls, kept with every result.

        Metric and planned pairs are part of it: who changes them later claims something else.
        """
        return digest(
            [
                [c.name, c.arm, c.minus, c.metric or self.metrics[0], c.ends, self.pairs_of(c)]
                for c in self.primary + self.control
            ]
        )

    def pairs_of(self, of: Comparison) -> list[int]:
        """Pairs that are planned for both arms of a comparison."""
        return sorted({*self.arms[of.arm].pairs} & {*self.arms[of.minus].pairs})

    @property
    def runs(self) -> list[tuple[Arm, int]]:
        """Every arm and pair, pair by pair, so that a stopped study has whole pairs."""
        seeds = sorted({seed for arm in self.arms.values() for seed in arm.pairs})
        return [(arm, seed) for seed in seeds for arm in self.arms.values() if seed in arm.pairs]
