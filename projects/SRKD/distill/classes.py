"""What a teacher says, in the order in which its student numbers the classes.

Shape letters: K classes of the student, K_t of the teacher, C channels of a tap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..base import UsageError
from ..models.head_classes import (
    channel_meaning,
    channel_order,
    check_head,
    class_count,
    task_ids,
    task_names,
)
from .features import Features
from .teacher import Teacher

Taps = tuple[str, str]
"""Paths of a term's taps in the student and in the teacher."""


class ClassAgreement:
    """Puts outputs, labels and scores of a teacher into the order of its student's classes.

    Features do not depend on the order of classes and are left alone. Logits and box maps are
    permuted, where every channel of the student has its like in the teacher: the same class and, of
    anchor heads, the same anchor, of center heads a task of the same classes. Logits over other
    classes are refused, though selecting some would be exact for heads with a sigmoid: a softmax
    over fewer classes is another distribution. Labels are mapped by name; a class that the student
    does not have is left out.

    Args:
        student: Model config of the student.
        teacher: The teacher.
        terms: The terms of the distillation by name.
        by_labels: Whether the student also learns from labels of the teacher.

    Attributes:
        names: The student's classes, None until :meth:`learn` is told.

    Raises:
        UsageError: If one of the heads contradicts itself, or a loss names class ids that are not
            those of the task it is attached to.
    """

    def __init__(
        self, student: Mapping, teacher: Teacher, terms: Mapping[str, nn.Module], by_labels: bool
    ) -> None:
        self.student, self.teacher, self.by_labels = student, teacher, by_labels
        check_head(student, 'student')
        check_head(teacher.config, 'teacher')
        self.pairs = {name: (term.student_tap, term.teacher_tap) for name, term in terms.items()}
        self.by_channel = [
            name
            for name, term in terms.items()
            if term.connector is None and getattr(term.loss, 'equal_width', False)
        ]
        for name, term in terms.items():
            _check_task(name, student, term)
        self.names: tuple[str, ...] | None = None
        self._orders: dict[Taps, Tensor | None] | None = None
        self._labels: Tensor | None = None

    def learn(self, names: Sequence[str], source: str = 'the data set') -> None:
        """Take note of the student's classes, in the order of its labels.

        Args:
            names: K names.
            source: Who says so, for messages.

        Raises:
            UsageError: If the head has another number of classes, or other names came before.
        """
        names = tuple(names)
        if names == self.names:
            return
        if self.names is not None:
            raise UsageError(
                f'{source} has the classes {_listed(names)}, but the student learns '
                f'{_listed(self.names)}: all data of a run must number the same classes'
            )
        count = class_count(self.student)
        if count not in (None, len(names)):
            raise UsageError(
                f"the student's head has num_classes={count}, but {source} has {len(names)} "
                f'classes, {_listed(names)}'
            )
        self.names, self._orders = names, None

    def settle(self) -> None:
        """Compare both networks' classes, once; loads the teacher where they matter.

        Raises:
            UsageError: If the teacher speaks of its classes in a way that cannot be mapped: both
                lists are named.
        """
        if self._orders is None:
            self._orders = self._settled()

    def channels(self, taps: Taps, taught: Features) -> Features:
        """Features of the teacher with the channels in the student's order."""
        order = (self._orders or {}).get(taps)
        return taught if order is None else taught.select(order)

    def labels(self, labels: Tensor) -> Tensor:
        """Class ids of the teacher as the student's, -1 for classes it does not have."""
        self.settle()
        return labels if self._labels is None else self._labels.to(labels)[labels]

    def _settled(self) -> dict[Taps, Tensor | None]:
        ours = {
            pair: channel_meaning(self.student, pair[0], range(class_count(self.student) or 0))
            for pair in self.pairs.values()
        }
        if not self.by_labels and not any(ours.values()):
            return {}  # features alone
        theirs = self.teacher.classes
        mine = self._own()
        if theirs is not None and mine is None:
            raise UsageError(
                f'{self.teacher.checkpoint} numbers its classes {_listed(theirs)}, and the order '
                "of the student's is not known: give the data set metainfo=dict(classes=[...]), or "
                'call learn_classes([...]) of the distillation model'
            )
        if theirs is None:
            print_log(
                f'{self.teacher.checkpoint} names no classes: they are taken to be in the order of '
                f"the student's{f', {_listed(mine)}' if mine else ''}",
                logger='current',
            )
        self._check_count(theirs)
        if theirs is not None:
            number = {name: label for label, name in enumerate(mine)}
            labels = torch.tensor([number.get(name, -1) for name in theirs])
            if self.by_labels and bool((labels < 0).all()):
                raise UsageError(self._no_match('teacher_boxes', 'have no class in common'))
            self._labels = None if labels.tolist() == list(range(len(mine))) else labels
        return {pair: self._order(pair, theirs) for pair, known in ours.items() if known}

    def _own(self) -> tuple[str, ...] | None:
        return self.names or task_names(self.student)

    def _check_count(self, theirs: Sequence[str] | None) -> None:
        own, other = class_count(self.student), class_count(self.teacher.config)
        if theirs is None:
            if None not in (own, other) and other != own:
                raise UsageError(
                    f'the teacher has {other} classes and the student {own}, and '
                    f'{self.teacher.checkpoint} does not name them, so that they cannot be mapped'
                )
        elif other not in (None, len(theirs)):
            raise UsageError(
                f'{self.teacher.checkpoint} names {len(theirs)} classes, {_listed(theirs)}, but '
                f"the teacher's head has num_classes={other}"
            )

    def _order(self, pair: Taps, theirs: Sequence[str] | None) -> Tensor | None:
        """Channel of the teacher for every channel of the student, (C,); None for the same."""
        counts = class_count(self.student), class_count(self.teacher.config)
        names = (self._own(), theirs) if theirs else (range(counts[0]), range(counts[1] or 0))
        student = channel_meaning(self.student, pair[0], names[0])
        teacher = channel_meaning(self.teacher.config, pair[1], names[1])
        if student == teacher or teacher is None:
            return None
        order = channel_order(student, teacher)
        if order is not None:
            return order
        for name in self.by_channel:
            if self.pairs[name] == pair:
                why = 'do not stand for the same classes, anchors or tasks'
                raise UsageError(self._no_match(f'term {name!r}', f'{why} at {pair[0]!r}'))
        return None

    def _no_match(self, what: str, why: str) -> str:
        mine, theirs = (
            _listed(names or ['classes without names'])
            for names in (self._own(), self.teacher.classes)
        )
        return (
            f'{what} compares outputs of two heads that {why}: the student has {mine}, the teacher '
            f'{theirs} ({self.teacher.checkpoint}); train both on one list of classes, or use '
            'terms on features alone'
        )


def _check_task(name: str, student: Mapping, term: nn.Module) -> None:
    """Refuse a loss on a task's map that is told the ids of another task."""
    wanted, written = task_ids(student, term.student_tap), getattr(term.loss, 'classes', None)
    if wanted is None or written is None or tuple(written) == wanted:
        return
    raise UsageError(
        f'loss.classes of term {name!r} is {list(written)}, but the task at {term.student_tap!r} '
        f'has the class ids {list(wanted)}'
    )


def _listed(names: Sequence[str]) -> str:
    return ', '.join(map(str, names))
