"""The whole method on one screen: run the teacher, train the student, compare what taps saw."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from mmdet3d.registry import MODELS
from mmengine.model import BaseModel
from torch import Tensor, nn

from ..base import UsageError, UsageTypeError
from ..models.inference import for_inference
from .balance import build_balance
from .classes import ClassAgreement
from .from_teacher import with_teacher_named
from .matched_points import Matcher
from .taps import Taps
from .teacher import Teacher, teacher_config
from .told_by_hooks import ToldByHooks


class DistillModel(ToldByHooks, BaseModel):
    """A trained student beside a frozen teacher.

    Its ``state_dict`` is the student's, key for key: a checkpoint of a distillation run loads
    strictly with the student's plain config. Connectors are saved beside it by
    ``DistillCheckpointHook``. Prediction is the student's alone and never builds the teacher.

    Args:
        student: Model config of the student.
        teacher: ``config`` and ``checkpoint`` of the teacher, see :class:`Teacher`.
        terms: Named terms; the loss of ``kd`` is logged as ``loss_kd``. One set to None is left
            out, so that an ablation is one line.
        super_voxels: How scans of this data are cut, for the losses that compare inside of
            super-voxels: ``partition``, ``num_super_voxels`` and so on, where a term does not say
            otherwise. Data sets' base files define it; without it scans are cut into cubes of 1 m,
            which are for rooms, and a run on scans of a LiDAR says so.
        balance: How terms are weighed against the task: ``'first_steps'`` or a config of
            :class:`FirstStepsBalance`; None: by each term's ``loss_weight``.

    Raises:
        UsageError: If there is no term, or a tap, connector or width does not fit.
    """

    teaches_by_targets = False  # whether the teacher also changes what the student learns from

    def __new__(cls, *args, **kwargs) -> nn.Module:
        """With ``train_cfg=None``, which mmdet3d's inference sets in any config: the student alone.

        No teacher is looked for then, and a checkpoint of the run fits: it holds the student.
        """
        if 'train_cfg' not in kwargs:
            return super().__new__(cls)
        return MODELS.build(for_inference(kwargs['student'], cls.__name__, kwargs['train_cfg']))

    def __init__(
        self,
        student: Mapping,
        teacher: Mapping,
        terms: Mapping[str, Mapping],
        super_voxels: Mapping | None = None,
        init_cfg: dict | None = None,
        balance: str | Mapping | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        del self.data_preprocessor  # the student's is used, see the property
        # A copy: some constructors of mmdet3d (MinkUNetBackbone) edit the lists of their config.
        self.student = MODELS.build(with_teacher_named(student, teacher))
        if not isinstance(terms, Mapping):
            raise UsageTypeError(f'model.terms must be a dict of terms, but got {terms!r}')
        terms = {name: term for name, term in terms.items() if term is not None}
        if not terms and not self.teaches_by_targets:
            raise UsageError(
                f"{type(self).__name__} has no terms, expected at least one: train the student's "
                'plain config to have it learn alone'
            )
        taps = {name: _tap_paths(name, term) for name, term in terms.items()}
        self.taps = Taps(self.student, (student for student, _ in taps.values()), 'student')
        self.teacher = self.build_teacher(**teacher, taps=[theirs for _, theirs in taps.values()])
        self.terms = nn.ModuleDict()
        for name, (ours, theirs) in taps.items():
            widths = self.taps.width(ours), self.teacher.widths[theirs]
            config = {'type': 'DistillTerm', **terms[name], 'name': name, 'widths': widths}
            config.setdefault('super_voxels', super_voxels)
            self.terms[name] = MODELS.build(config)
        self.balance = build_balance(balance, self.terms)
        own = teacher_config(student)
        self.class_agreement = ClassAgreement(
            own, self.teacher, self.terms, self.teaches_by_targets
        )
        own = own.get('data_preprocessor')
        theirs = self.teacher.config.get('data_preprocessor')
        self.shares_voxels = own == theirs and not self.teacher.has_own_rows
        self.register_state_dict_post_hook(_to_student_keys)
        self.register_load_state_dict_pre_hook(_from_student_keys)

    @property
    def data_preprocessor(self) -> nn.Module:
        """The student's data preprocessor."""
        return self.student.data_preprocessor

    @abstractmethod
    def build_teacher(self, **teacher) -> Teacher:
        """Return the teacher, given its config, checkpoint and the taps that terms read."""

    @abstractmethod
    def matcher(self, student: tuple[dict, list], teacher: tuple[dict, list]) -> Matcher:
        """Return what pairs the rows of two taps, given both networks' inputs and samples."""

    def targets(self, data_samples: list) -> list:
        """Return the samples whose ground truth the student learns from, the teacher having run."""
        return data_samples

    def task_losses(self, inputs: dict, data_samples: list) -> dict[str, Tensor]:
        """Return the losses of the student's own task."""
        return self.student(inputs, data_samples, mode='loss')

    def learn_classes(self, names: Sequence[str], source: str = 'the data set') -> None:
        """Tell the names of the student's classes and compare them with the teacher's.

        A run does so before its first step, and samples that carry ``classes`` in their metainfo
        do so in :meth:`loss`.

        Raises:
            UsageError: If heads, data and teacher number classes that cannot be mapped by name.
        """
        self.class_agreement.learn(names, source)
        self.class_agreement.settle()

    def loss(self, inputs: dict, data_samples: list) -> dict[str, Tensor]:
        """Return the student's task losses and one loss per term.

        Args:
            inputs: The student's preprocessed inputs.
            data_samples: The student's data samples.

        Returns:
            What the student returns, and ``loss_<term>`` for every term. ``unmatched_rows`` counts
            student rows that no teacher row covers; ``<term>_rows`` is the share of the rows that a
            term with super-voxels compared, ``<term>_weight`` what a balance gives it.

        Raises:
            UsageError: If a term's name is that of a loss of the student's own.
        """
        if self.distill_scale == 0:
            losses = self.task_losses(inputs, data_samples)
            zero = next(self.student.parameters()).new_zeros(())
            return self._joined(losses, {n: term.idle(zero) for n, term in self.terms.items()})

        self._read_classes(data_samples)
        ours = theirs = (inputs, data_samples)
        if not self.shares_voxels:
            theirs = self.teacher.prepare(inputs, data_samples, self.training)
        taught = self.teacher(*theirs)
        self._tell_listener(*theirs, taught)
        matcher, pairs = self.matcher(ours, theirs), {}
        with self.taps as learned:
            losses = self.task_losses(inputs, self.targets(data_samples))
        taught_by = {}
        for name, term in self.terms.items():
            taps = term.student_tap, term.teacher_tap
            if taps not in pairs:
                ordered = self.class_agreement.channels(taps, taught[taps[1]])
                pairs[taps] = matcher(learned[taps[0]], ordered)
            taught_by[name] = term(pairs[taps])
        losses = self._joined(losses, self._weighed(losses, taught_by))
        losses['unmatched_rows'] = inputs['points'][0].new_tensor(matcher.left_out)
        for name, term in self.terms.items():
            if hasattr(term.loss, 'rows_share'):
                losses[f'{name}_rows'] = inputs['points'][0].new_tensor(term.loss.rows_share)
        if self.balance is not None:
            for name, weight in self.balance.weights.items():
                losses[f'{name}_weight'] = inputs['points'][0].new_tensor(weight)
        return losses

    def _weighed(self, own: dict[str, Tensor], terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """The terms as they enter the total, balanced against the task's losses."""
        factors = {}
        if self.balance is not None:
            if self.training and torch.is_grad_enabled():
                self.balance.measure(self.parse_losses(own)[0], terms, self.student)
            factors = self.balance.factors()
        return {
            name: value * (self.distill_scale * factors.get(name, 1.0))
            for name, value in terms.items()
        }

    def _joined(self, own: dict[str, Tensor], terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Both kinds of losses, none of them lost."""
        for name in terms:
            if f'loss_{name}' in own:
                raise UsageError(
                    f'model.terms.{name} would take the place of loss_{name}, which is a loss of '
                    f"the student's own ({', '.join(own)}): give the term another name"
                )
        return own | {f'loss_{name}': value for name, value in terms.items()}

    def _read_classes(self, data_samples: list) -> None:
        for sample in data_samples:
            if 'classes' in sample.metainfo:
                self.class_agreement.learn(sample.metainfo['classes'])
        self.class_agreement.settle()

    def forward(self, inputs: dict, data_samples: list | None = None, mode: str = 'tensor'):
        """Train with every term, or predict with the student alone.

        Args:
            inputs: The student's preprocessed inputs.
            data_samples: The student's data samples.
            mode: ``loss`` (a runner's training step), ``predict`` or ``tensor``.

        Raises:
            RuntimeError: In mode ``loss`` without ``DistillCheckpointHook``.
        """
        if mode != 'loss':
            return self.student(inputs, data_samples, mode=mode)
        if not self.keeps_connectors:
            raise RuntimeError(
                f'{type(self).__name__} trains without DistillCheckpointHook, so its connectors '
                'would be lost at a resume: add custom_hooks=[dict(type="DistillCheckpointHook")] '
                '(or call .loss() directly, outside a runner; or .tell_connectors_are_kept(), if '
                'you save .terms yourself)'
            )
        return self.loss(inputs, data_samples)

    def init_weights(self) -> None:
        """Initialize the student; load the teacher now, so that a bad checkpoint fails early."""
        super().init_weights()
        self.teacher.load()


_NO_TERMS = nn.ModuleDict()


def _tap_paths(name: str, term: Mapping) -> tuple[str, str]:
    """Paths of a term's taps in the student and in the teacher."""
    known = isinstance(name, str) and name.isidentifier()
    if not known or 'loss' in name or hasattr(_NO_TERMS, name):
        raise UsageError(
            f'the name of a term must be an identifier without "loss" (it is logged as loss_NAME) '
            f'and no attribute of a module (such as keys, type, training), but got {name!r}'
        )
    if not isinstance(term, Mapping):
        raise UsageTypeError(
            f'term {name!r} must be a dict with student_tap and loss, or None, but got {term!r}'
        )
    if 'student_tap' not in term:
        raise UsageError(f'term {name!r} has no student_tap, expected a module path of the student')
    return term['student_tap'], term.get('teacher_tap') or term['student_tap']


def _to_student_keys(module: DistillModel, state: dict, prefix: str, local_metadata: dict) -> None:
    """Give the student's keys (and metadata) its own names, at any prefix; leave out the terms."""
    _rename(state, prefix)
    _rename(state._metadata, prefix)


def _rename(mapping: dict, prefix: str) -> None:
    student, terms = f'{prefix}student', f'{prefix}terms'
    for key in list(mapping):
        if key == student or key.startswith(f'{student}.'):
            own = prefix + key[len(student) + 1 :]
            mapping[own if own != prefix else prefix[:-1]] = mapping.pop(key)
        elif key == terms or key.startswith(f'{terms}.'):
            del mapping[key]


def _from_student_keys(module: DistillModel, state: dict, prefix: str, *unused) -> None:
    """Undo :func:`_to_student_keys`; the terms keep what they have."""
    for key in [key for key in state if key.startswith(prefix)]:
        state[f'{prefix}student.{key[len(prefix) :]}'] = state.pop(key)
    state.update(module.terms.state_dict(prefix=f'{prefix}terms.'))
    metadata = getattr(state, '_metadata', None)
    if metadata is not None:
        for key in [key for key in metadata if f'{key}.'.startswith(prefix)]:
            metadata[f'{prefix}student.{key[len(prefix) :]}'.rstrip('.')] = metadata[key]
