"""``init_cfg=dict(type='FromTeacher')``: a student that starts from its teacher's weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn

from ..base import UsageError
from ..models.compression import check_blocks, select_weights, shuffle_channels
from .live_teacher import LiveTeacher
from .teacher import Teacher


@WEIGHT_INITIALIZERS.register_module()
class FromTeacher:
    """Start from every n-th channel of a trained teacher of the same family.

    For segmentors with PTv3 or MinkUNet, and for the detectors that :func:`inherit` knows. Layers
    of predictions stay as initialized, see :func:`select_weights`. The network's other
    initializers run before it. What a run loads or resumes comes after it and stands.

    Source: Z. Xu et al., Initializing Models with Larger Ones, ICLR 2024 (weight selection).

    Args:
        config: Config of the teacher, as for :class:`Teacher`. Not needed as ``init_cfg`` of a
            distillation model or of its student: then it is the model's teacher.
        checkpoint: Its weights, as for :class:`Teacher`.
        blocks: Which blocks of a stage a shallower student takes, ``'first'``: the leading ones;
            ``'even'``: evenly spaced ones.

    Raises:
        UsageError: If ``blocks`` is neither.

    Example config::

        model = dict(init_cfg=dict(type='FromTeacher'))  # of a DistillSegmentor or DistillDetector
    """

    def __init__(
        self,
        config: str | Path | Mapping | None = None,
        checkpoint: str | Path | None = None,
        blocks: str = 'first',
    ) -> None:
        check_blocks(blocks)
        self.config, self.checkpoint, self.blocks = config, checkpoint, blocks

    def __call__(self, module: nn.Module) -> None:
        """Fill a network, or the student of a distillation model.

        Raises:
            FileMissingError: If the teacher's config or checkpoint does not exist.
            UsageError: If no teacher is named, or it does not fit: see :func:`select_weights`.
        """
        # mmengine initializes the parts of a network after the network itself
        for child in module.children():
            if hasattr(child, 'init_weights') and not getattr(child, 'is_init', False):
                child.init_weights()
        teacher = self._teacher(module)
        left = self._fill(getattr(module, 'student', module), teacher.network)
        print_log(
            f'{type(self).__name__} initializes the student from {teacher.checkpoint}, but for '
            f'{", ".join(left)}; what the run loads or resumes comes after it',
            logger='current',
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(module, f'{type(self).__name__}: from {teacher.checkpoint}')

    def _fill(self, student: nn.Module, teacher: nn.Module) -> list[str]:
        return select_weights(student, teacher, self.blocks)

    def _teacher(self, module: nn.Module) -> LiveTeacher:
        teacher = getattr(module, 'teacher', None)
        if self.config is None and isinstance(teacher, Teacher):
            if isinstance(teacher, LiveTeacher) and self.checkpoint is None:
                return teacher
            return LiveTeacher(teacher.config, self.checkpoint or teacher.checkpoint)
        if self.config is None:
            raise UsageError(
                f'init_cfg of {type(module).__name__}: {type(self).__name__} has no config and '
                f'{type(module).__name__} no teacher, expected the config and checkpoint of a '
                "trained one, for example dict(type='FromTeacher', config='teacher.py', "
                "checkpoint='work_dirs/teacher.pth')"
            )
        return LiveTeacher(self.config, self.checkpoint)


@WEIGHT_INITIALIZERS.register_module()
class FromShuffledTeacher(FromTeacher):
    """The control for :class:`FromTeacher`: the same values, in the wrong channels.

    After the selection the filters of every layer are permuted, and their inputs apart from them,
    each layer in its own way; see :func:`shuffle_channels`.

    Args:
        config: As for :class:`FromTeacher`.
        checkpoint: As for :class:`FromTeacher`.
        blocks: As for :class:`FromTeacher`.
        seed: Of the permutations.
    """

    def __init__(
        self,
        config: str | Path | Mapping | None = None,
        checkpoint: str | Path | None = None,
        blocks: str = 'first',
        seed: int = 0,
    ) -> None:
        super().__init__(config, checkpoint, blocks)
        self.seed = seed

    def _fill(self, student: nn.Module, teacher: nn.Module) -> list[str]:
        left = super()._fill(student, teacher)
        shuffle_channels(student, self.seed, but=left)
        return left


def with_teacher_named(student: Mapping, teacher: Mapping) -> dict:
    """A copy of a student's config whose ``FromTeacher`` names the model's teacher.

    Args:
        student: Model config; of a ``CompressedDetector`` the detector's ``init_cfg`` is read.
        teacher: Config and checkpoint of the distillation model's teacher.
    """
    student = copy.deepcopy(student)
    init_cfg = student.get('detector', student).get('init_cfg') or []
    for each in [init_cfg] if isinstance(init_cfg, Mapping) else init_cfg:
        kind = each.get('type')
        kind = WEIGHT_INITIALIZERS.get(kind) if isinstance(kind, str) else kind
        if kind in (FromTeacher, FromShuffledTeacher) and each.get('config') is None:
            each['config'] = teacher['config']
            each.setdefault('checkpoint', teacher.get('checkpoint'))
    return student
