"""A term of the distillation objective: tap + connector + loss."""

import inspect
from collections.abc import Mapping
from difflib import get_close_matches

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from .matching import MatchedPoints


@MODELS.register_module()
class DistillTerm(nn.Module):
    """One loss between one tap of the student and one of the teacher.

    The loss says by the parameter names of its ``forward`` which fields of
    :class:`MatchedPoints` it reads; the term hands it those and nothing else.

    Args:
        student_tap: Module path in the student.
        loss: Config of the loss module.
        teacher_tap: Module path in the teacher; None: the same path.
        connector: Config of a connector with ``in_channels`` and ``out_channels``; None: none.

    Raises:
        TypeError: If the loss reads a field that matched points do not have.
    """

    def __init__(
        self,
        student_tap: str,
        loss: Mapping,
        teacher_tap: str | None = None,
        connector: Mapping | None = None,
    ) -> None:
        super().__init__()
        self.student_tap = student_tap
        self.teacher_tap = teacher_tap or student_tap
        self.connector = None if connector is None else MODELS.build(connector)
        self.loss = MODELS.build(loss)
        self.reads = tuple(inspect.signature(self.loss.forward).parameters)
        for name in self.reads:
            if name not in MatchedPoints.FIELDS:
                nearest = get_close_matches(name, MatchedPoints.FIELDS, n=1, cutoff=0.0)[0]
                raise TypeError(
                    f'{type(self.loss).__name__}.forward reads {name!r}, which matched points do '
                    f'not have; expected some of {", ".join(MatchedPoints.FIELDS)}, nearest: '
                    f'{nearest}'
                )

    def check_widths(self, name: str, student: int | None, teacher: int | None) -> None:
        """Refuse widths that cannot fit, as far as the tapped modules tell theirs.

        Args:
            name: Name of the term, for the message.
            student: Channels at the student's tap; None if unknown until the first forward.
            teacher: Channels at the teacher's tap; likewise.

        Raises:
            ValueError: If the connector's input is not the student's width, or a loss that
                compares channel by channel would get two widths.
        """
        if self.connector is not None:
            expected = self.connector.in_features
            if student is not None and student != expected:
                raise ValueError(
                    f'connector of term {name!r} takes {expected} channels but tap '
                    f'{self.student_tap!r} of the student has {student}: set '
                    f'in_channels={student}'
                )
            student = self.connector.out_features
        equal = getattr(self.loss, 'equal_width', False)
        if equal and None not in (student, teacher) and student != teacher:
            raise ValueError(
                f'{type(self.loss).__name__} of term {name!r} compares channel by channel but the '
                f'student brings {student} and the teacher {teacher}: '
                + (
                    'both must predict the same classes'
                    if self.student_tap.endswith('conv_seg')
                    else f'add connector=dict(type="LinearConnector", in_channels={student}, '
                    f'out_channels={teacher})'
                )
            )

    def forward(self, pair: MatchedPoints) -> Tensor:
        """Return the weighted loss of one pair, a 0-d tensor."""
        if self.connector is not None:
            with torch.autocast(pair.student.device.type, enabled=False):
                pair = pair.replace(student=self.connector(pair.student.float()))
        return self.loss(**{name: getattr(pair, name) for name in self.reads})

    def idle(self) -> Tensor | float:
        """A zero that touches every parameter of the term, for steps without distillation.

        DistributedDataParallel then finds a gradient for each, and needs no search for unused ones.
        """
        return sum((parameter.sum() * 0.0 for parameter in self.parameters()), 0.0)
