"""What a loss gets of two networks, and how their rows are paired.

Shape letters: S rows at a student's tap, M of them that a teacher's row covers, C_s and C_t
channels, B samples, n boxes of a sample.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from typing import Generic, TypeVar

from torch import Tensor

from .features import Features

View = TypeVar('View')
"""One network's view of a batch: what its rows are, where they lie."""

_OF_ROWS = 'of rows'  # marks the fields that have a value for each row
_CURE = 'cure'  # what helps where a loss cannot do without the field and it is None


def matched_field(of_rows: bool = False, cure: str | None = None, **options):
    """A field of :class:`MatchedPoints`; ``options`` as of :func:`dataclasses.field`.

    Args:
        of_rows: Whether it has a value for each row.
        cure: What helps where it is None; None: losses do without it.
    """
    return field(metadata={_OF_ROWS: of_rows, _CURE: cure}, **options)


@dataclass(frozen=True)
class MatchedPoints:
    """Rows of the student and what the teacher says about the same places.

    A new field is named here alone: what it is, whether it goes with the rows, and what helps a
    loss that misses it. Matchers fill it in where they know it; a test compares the names with the
    table of docs/own_loss.md.

    Attributes:
        student: ``(M, C_s)`` features, with gradient.
        teacher: ``(M, C_t)`` features, detached.
        coord: ``(M, 3)`` mean metric coordinate of the raw points in each row.
        batch: ``(M,)`` int64 sample id.
        label: ``(M,)`` int64 class, -1 where ignored; None without labels.
        stage: How often the student's grid was halved at this tap.
        count: ``(M,)`` float32 raw points in each row; None where rows are no voxels.
        boxes: Detectors: B times ``(n, >= 7)`` x, y, z of the gravity center, dx, dy, dz, yaw and
            perhaps velocity of the objects, in the points' frame.
        classes: Detectors: B times ``(n,)`` int64 class of each box, -1 where ignored.
        cell_size: Meters in x and y that a row's cell covers; None where rows are no cells.
    """

    student: Tensor = matched_field(of_rows=True)
    teacher: Tensor = matched_field(of_rows=True)
    coord: Tensor = matched_field(of_rows=True)
    batch: Tensor = matched_field(of_rows=True)
    label: Tensor | None = matched_field(of_rows=True, default=None)  # losses do without labels
    stage: int = 0
    count: Tensor | None = matched_field(
        of_rows=True,
        default=None,
        cure='tap a module that keeps the input voxels, such as voxel_encoder',
    )
    boxes: list[Tensor] | None = matched_field(
        default=None, cure='train with ground truth in gt_instances_3d'
    )
    classes: list[Tensor] | None = matched_field(
        default=None, cure='train with ground truth in gt_instances_3d'
    )
    cell_size: tuple[float, float] | None = matched_field(
        default=None, cure="tap a map of the bird's eye view"
    )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """What a loss may ask for."""
        return tuple(each.name for each in fields(cls))

    @classmethod
    def cures(cls) -> dict[str, str]:
        """What helps where a field is None, by name; of fields that no loss does without."""
        cures = {each.name: each.metadata.get(_CURE) for each in fields(cls)}
        return {name: cure for name, cure in cures.items() if cure is not None}

    def replace(self, **changes) -> 'MatchedPoints':
        """Return a copy with some fields changed."""
        return replace(self, **changes)

    def rows(self, kept: Tensor) -> 'MatchedPoints':
        """Return a copy with some rows only, given by their indices."""
        of_rows = [each.name for each in fields(self) if each.metadata.get(_OF_ROWS)]
        values = {name: getattr(self, name) for name in of_rows}
        return self.replace(**{k: v if v is None else v[kept] for k, v in values.items()})


class Matcher(ABC, Generic[View]):
    """Match what taps of two networks saw on one batch.

    A matcher lives for one batch and is called once for every pair of taps. One pair comes of each
    student row that a teacher's row covers; the others are left out and counted.

    Args:
        student: The student's view of the batch.
        teacher: The teacher's.

    Attributes:
        left_out: Student rows without a teacher's, of all calls together.
    """

    def __init__(self, student: View, teacher: View) -> None:
        self.student, self.teacher = student, teacher
        self.left_out = 0

    def __call__(self, learned: Features, taught: Features) -> MatchedPoints:
        """Return the rows of two taps that describe the same places.

        Args:
            learned: What a tap of the student saw.
            taught: What a tap of the teacher saw; detached.

        Raises:
            UsageError: If the two cannot be compared.
        """
        pair, matched = self.pair(learned, taught)
        pair = pair.replace(teacher=pair.teacher.detach())
        if matched is None or bool(matched.all()):
            return pair
        self.left_out += int((~matched).sum())
        return pair.rows(matched.nonzero().squeeze(1))

    @abstractmethod
    def pair(self, learned: Features, taught: Features) -> tuple[MatchedPoints, Tensor | None]:
        """Pair every row of the student's tap.

        Returns:
            Pairs of all S rows, and ``(S,)`` whether a teacher's row covers them (what the teacher
            says elsewhere may be anything); None: all.
        """
