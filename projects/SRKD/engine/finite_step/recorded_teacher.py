"""The teacher of a step that is repeated: it says what it said."""

from collections.abc import Mapping

from ...base.random_numbers import restore_random_state
from ...distill import Features, Teacher


class RecordedTeacher(Teacher):
    """Says of one batch what a teacher has said.

    Args:
        teacher: The teacher of the config, which is not run and need not have its checkpoint.
        lesson: What was kept, unpacked; None where it did not run in the step.
    """

    def __init__(self, teacher: Teacher, lesson: Mapping | None) -> None:
        self.config, self.paths, self.widths = teacher.config, teacher.paths, teacher.widths
        self._checkpoint = 'which the folder stands for'
        self.has_own_rows = teacher.has_own_rows
        self._lesson = lesson or {}
        self.boxes = self._lesson.get('boxes')

    def load(self) -> None:
        """Nothing is left to load."""

    def prepare(self, inputs: dict, data_samples: list, training: bool) -> tuple[dict, list]:
        """What the teacher was asked in the run."""
        return self._lesson['asked']

    def __call__(self, inputs: dict, data_samples: list) -> dict[str, Features]:
        """What it said; random numbers go on as they did behind it."""
        restore_random_state(self._lesson['random'])
        return self._lesson['taught']

    def _stored_meta(self) -> Mapping:
        return {}

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Its classes in the run."""
        return self._lesson.get('classes')
