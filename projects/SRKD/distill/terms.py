"""A term of the distillation objective: tap + connector + loss."""

import inspect
import math
from collections.abc import Mapping
from numbers import Number

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from ..base import UsageError, UsageTypeError, nearest_name
from .matched_points import MatchedPoints

# Last modules of heads, whose channels mean something.
_PREDICTIONS = (
    'conv_seg', 'conv_cls', 'conv_reg', 'conv_dir_cls', 'heatmap', 'reg', 'height', 'dim', 'rot',
    'vel',
)  # fmt: skip
_TYPES = dict(loss='SoftTargetKLLoss', connector='LinearConnector')  # for messages


@MODELS.register_module()
class DistillTerm(nn.Module):
    """One loss between one tap of the student and one of the teacher.

    The loss says by the parameter names of its ``forward`` which fields of
    :class:`MatchedPoints` it reads; the term hands it those and nothing else.

    Args:
        student_tap: Module path in the student.
        loss: Config of the loss module. Its ``student_channels`` and ``teacher_channels``, where it
            has them, may be left out where the tapped modules tell their widths.
        teacher_tap: Module path in the teacher; None: the same path.
        connector: Config of a connector; None: none. Its ``in_channels`` and ``out_channels`` may
            be left out where the tapped modules tell their widths.
        name: Name of the term, for messages.
        widths: Channels at the student's and the teacher's tap; None where a module does not tell.
        super_voxels: How the data wants scans cut: arguments that the loss gets where it takes them
            and the config does not say otherwise.

    Raises:
        UsageTypeError: If the loss reads a field that matched points do not have.
        UsageError: If the connector does not fit the taps, or a loss that compares channel by
            channel would get two widths.
    """

    def __init__(
        self,
        student_tap: str,
        loss: Mapping,
        teacher_tap: str | None = None,
        connector: Mapping | None = None,
        name: str = 'unnamed',
        widths: tuple[int | None, int | None] = (None, None),
        super_voxels: Mapping | None = None,
    ) -> None:
        super().__init__()
        self.student_tap = student_tap
        self.teacher_tap = teacher_tap or student_tap
        self.name = name
        for what, part in dict(loss=loss, connector=connector).items():
            if part is not None or what == 'loss':
                _check_typed(what, part, name)
        loss = _completed(loss, super_voxels, *widths)
        _check_complete(loss, name)
        self.loss = MODELS.build(loss)
        self._check_loss()
        self.reads = tuple(inspect.signature(self.loss.forward).parameters)
        for field in self.reads:
            if field not in MatchedPoints.names():
                raise UsageTypeError(
                    f'{type(self.loss).__name__}.forward reads {field!r}, which matched points do '
                    f'not have; expected some of {", ".join(MatchedPoints.names())}, nearest: '
                    f'{nearest_name(field, MatchedPoints.names())}'
                )
        self.connector = None
        if connector is not None:
            self.connector = MODELS.build(self._with_widths(connector, *widths))
            widths = (self.connector.out_features, widths[1])
        if getattr(self.loss, 'equal_width', False) and None not in widths:
            self._check_equal(*widths)

    def _with_widths(self, connector: Mapping, student: int | None, teacher: int | None) -> dict:
        """Fill in the widths that the config leaves out; refuse those that cannot fit."""
        config = dict(connector)
        for key, role, tap, width in (
            ('in_channels', 'student', self.student_tap, student),
            ('out_channels', 'teacher', self.teacher_tap, teacher),
        ):
            written = config.setdefault(key, width)
            if written is None:
                raise UsageError(
                    f'connector of term {self.name!r} needs {key}: tap {tap!r} of the {role} does '
                    'not tell its width'
                )
            if width is not None and written != width and key == 'in_channels':
                raise UsageError(
                    f'connector of term {self.name!r} takes {written} channels but tap {tap!r} of '
                    f'the {role} has {width}: set {key}={width}'
                )
        return config

    def _check_entering(self, width: int) -> None:
        """Refuse rows of another width than the config says, where no module told it before."""
        taken = getattr(self.connector, 'in_features', width)
        if taken != width:
            raise UsageError(
                f'connector of term {self.name!r} takes {taken} channels but the rows of tap '
                f'{self.student_tap!r} of the student have {width}: set in_channels={width}'
            )

    def _check_loss(self) -> None:
        """Refuse a weight that is none, and predictions compared where none are made."""
        weight = getattr(self.loss, 'loss_weight', 1.0)
        if not (isinstance(weight, Number) and math.isfinite(weight) and weight >= 0):
            raise UsageError(
                f'loss_weight of term {self.name!r} must be finite and at least 0, but got {weight}'
            )
        for role, tap in (('student', self.student_tap), ('teacher', self.teacher_tap)):
            if getattr(self.loss, 'reads_predictions', False) and 'head' not in tap:
                raise UsageError(
                    f'{type(self.loss).__name__} of term {self.name!r} compares predictions, but '
                    f'tap {tap!r} of the {role} is no part of a head: tap its last module, such as '
                    'decode_head.conv_seg or bbox_head.conv_cls'
                )

    def _check_equal(self, student: int, teacher: int) -> None:
        if student == teacher:
            return
        if self.student_tap.split('.')[-1] in _PREDICTIONS:
            cure = 'student and teacher must predict the same classes, from the same anchors'
        elif self.connector is None:
            cure = 'add connector=dict(type="LinearConnector")'
        else:
            cure = f'set out_channels={teacher} in its connector'
        raise UsageError(
            f'{type(self.loss).__name__} of term {self.name!r} compares channel by channel, but '
            f'the student brings {student} (tap {self.student_tap!r}) and the teacher {teacher} '
            f'(tap {self.teacher_tap!r}): {cure}'
        )

    def forward(self, pair: MatchedPoints) -> Tensor:
        """Return the weighted loss of one pair, a 0-d tensor."""
        if self.connector is not None:
            self._check_entering(pair.student.shape[1])
            with torch.autocast(pair.student.device.type, enabled=False):
                pair = pair.replace(student=self.connector(pair.student.float()))
        read = {name: getattr(pair, name) for name in self.reads}
        for name, cure in MatchedPoints.cures().items():
            if name in read and read[name] is None:
                raise UsageError(
                    f'{type(self.loss).__name__} of term {self.name!r} reads {name!r}, which the '
                    f'rows of tap {self.student_tap!r} do not have: {cure}'
                )
        return self.loss(**read)

    def idle(self, zero: Tensor) -> Tensor:
        """Add to ``zero`` nothing that touches every parameter of the term.

        For steps without distillation: DistributedDataParallel then finds a gradient for each
        parameter and needs no search for unused ones.
        """
        return sum((parameter.sum() * 0.0 for parameter in self.parameters()), zero)


def _check_typed(what: str, part: Mapping, name: str) -> None:
    """Refuse a part that no registry can build."""
    if not isinstance(part, Mapping) or 'type' not in part:
        raise UsageError(
            f'{what} of term {name!r} must be a dict with a type, such as '
            f'dict(type={_TYPES[what]!r}), but got {part!r}'
        )


def _check_complete(loss: Mapping, name: str) -> None:
    """Refuse a loss without an argument that it has no default for."""
    kind = MODELS.get(loss['type']) if isinstance(loss['type'], str) else loss['type']
    taken = {} if kind is None else inspect.signature(kind).parameters
    for argument, of in taken.items():
        needed = of.default is of.empty and of.kind not in (of.VAR_POSITIONAL, of.VAR_KEYWORD)
        if needed and argument not in loss:
            raise UsageError(
                f'{kind.__name__} of term {name!r} needs the argument {argument!r}, but got '
                f'{", ".join(key for key in loss if key != "type") or "none"}'
            )


def _completed(
    loss: Mapping, super_voxels: Mapping | None, student: int | None, teacher: int | None
) -> dict:
    """Fill in what a loss takes and its config leaves out: widths of both taps, super-voxels."""
    kind = MODELS.get(loss['type']) if isinstance(loss['type'], str) else loss['type']
    accepted = () if kind is None else inspect.signature(kind).parameters
    known = dict(student_channels=student, teacher_channels=teacher) | dict(super_voxels or {})
    return {name: value for name, value in known.items() if name in accepted} | dict(loss)
