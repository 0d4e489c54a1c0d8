"""Weights of terms from measured gradients instead of from a table.

Shape letters: K terms.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from numbers import Number

import torch
from mmdet3d.registry import TASK_UTILS
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from torch import Tensor, nn

from ..base import UsageError, nearest_name
from ..ops import gradient_norm, gradients


@TASK_UTILS.register_module()
class FirstStepsBalance:
    r"""Gives every term the share of the task's gradient that it asks for.

    Over the first steps, with G_k the norm of the gradient that the unweighted loss L_k of term k
    has on all trainable parameters of the student, and G that of the sum of the task losses, both
    averaged over steps and ranks, the student trains with

    .. math::
        L = L_{task} + \sum_k w_k L_k, \qquad w_k = s_k \frac{G}{G_k}

    so that term k pulls with s_k times the strength of the labels. s_k is ``share`` or, where that
    does not name the term, the ``loss_weight`` of the config, which then is a share and no weight:
    0.3 is 0.3 times the task's gradient, whatever the loss sums over.

    Measured is on the student's parameters, because that is what the step moves, and terms at
    different taps (logits, features of any stage) are comparable there alone; `docs/presets.md`
    shows the same number. The weights of step n are those of the first n steps; after ``steps``
    they are fixed. A measured step costs one backward pass more for each term and the task.

    Gradients are taken without a gradient scaler: in float16 small ones vanish, in bfloat16 not.
    The numbers belong to the stage at which they are measured: in `docs/presets.md` the affinity
    terms of `srkd` fall to an eighth or less within 60 steps, and its logit term does not.

    Args:
        steps: Training steps to measure, those in which the terms act.
        share: s, one for all terms or by name of the term; None: every term's ``loss_weight``.

    Raises:
        UsageError: If ``steps`` or a share cannot be.
    """

    def __init__(self, steps: int = 20, share: float | Mapping | None = None) -> None:
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise UsageError(
                f'model.balance.steps must be an integer of at least 1, but got {steps!r}'
            )
        self.steps = steps
        self._share = share
        self._done = 0
        self._task = 0.0  # sum of G
        self._terms: dict[str, float] = {}  # sums of the weighted G_k
        self._shares: dict[str, float] = {}
        self._written: dict[str, float] = {}  # loss_weight in the config

    def read(self, terms: Mapping[str, nn.Module]) -> None:
        """Learn the terms, each with a ``loss.loss_weight``.

        Raises:
            UsageError: If a share names no term or is no positive number, or a weight is missing.
        """
        asked = self._share if isinstance(self._share, Mapping) else {}
        for name in asked:
            if name not in terms:
                raise UsageError(
                    f'model.balance.share must name terms, but got {name!r}, nearest: '
                    f'{nearest_name(name, [*terms])}'
                )
        for name, term in terms.items():
            weight = getattr(term.loss, 'loss_weight', None)
            if not (isinstance(weight, Number) and weight > 0):
                raise UsageError(
                    f'model.terms.{name}.loss.loss_weight must be above 0 for a balance, but got '
                    f'{weight}: set the term to None to leave it out'
                )
            default = weight if isinstance(self._share, Mapping | None) else self._share
            share = asked.get(name, default)
            if not (isinstance(share, Number) and math.isfinite(share) and share > 0):
                raise UsageError(
                    f'model.balance.share of term {name!r} must be a positive number, but got '
                    f'{share!r}'
                )
            self._written[name], self._shares[name] = float(weight), float(share)
            self._terms[name] = 0.0

    @property
    def settled(self) -> bool:
        """Whether the weights are fixed."""
        return self._done == self.steps

    @property
    def weights(self) -> dict[str, float]:
        """w, by term: the ``loss_weight`` that stands for what was measured so far."""
        return {name: self._factor(name) * self._written[name] for name in self._terms}

    def factors(self) -> dict[str, float]:
        """What the terms as configured are multiplied by."""
        return {name: self._factor(name) for name in self._terms}

    def _factor(self, name: str) -> float:
        if not self._task or not self._terms[name]:
            return 1.0  # nothing to compare yet
        return self._shares[name] * self._task / self._terms[name]

    def measure(self, task: Tensor, terms: Mapping[str, Tensor], student: nn.Module) -> None:
        """Take one step into account, unless the weights are fixed.

        Args:
            task: Sum of the task losses, 0-d, with its graph.
            terms: K weighted losses, 0-d, with their graph.
            student: What they are derived by.

        Raises:
            UsageError: If the last step is reached and a gradient was zero in all.
        """
        if self.settled:
            return
        parameters = [each for each in student.parameters() if each.requires_grad]
        losses = [task, *terms.values()]
        norms = torch.tensor([gradient_norm(gradients(loss, parameters)) for loss in losses],
                             dtype=torch.float64, device=task.device)  # (1 + K,)  # fmt: skip
        all_reduce(norms, 'mean')
        if not norms.isfinite().all():
            return  # a step that a gradient scaler skips, or FiniteStepHook ends the run
        own, *theirs = norms.tolist()
        self._task += own
        for name, norm in zip(terms, theirs):
            self._terms[name] += norm
        self._done += 1
        if self.settled:
            self._settle()

    def _settle(self) -> None:
        sums = {'the task': self._task} | {f'term {k!r}': v for k, v in self._terms.items()}
        idle = [name for name, value in sums.items() if not value]
        if idle:
            raise UsageError(
                f'every part of a balance must have a gradient on the student, but that of '
                f'{", ".join(idle)} was 0 in the first {self.steps} steps: measure more '
                '(model.balance.steps), or set such a term to None'
            )
        told = ', '.join(
            f'{name} {weight:.4g} (share {self._shares[name]:g})'
            for name, weight in self.weights.items()
        )
        print_log(
            f'measured over {self.steps} steps, loss_weight is from now on: {told}',
            logger='current',
            level=logging.INFO,
        )

    def state_dict(self) -> dict:
        """What a resumed run needs to go on."""
        return dict(steps=self.steps, done=self._done, task=self._task, terms=dict(self._terms))

    def load_state_dict(self, state: Mapping) -> None:
        """Go on from a :meth:`state_dict`.

        Raises:
            UsageError: If it is of other terms or another number of steps.
        """
        own = sorted(self._terms), self.steps
        theirs = sorted(state['terms']), state['steps']
        if own != theirs:
            raise UsageError(
                f'model.balance must be that of the run to resume, but got terms and steps {own} '
                f'where the checkpoint has {theirs}: resume with the config it was written with'
            )
        self._done, self._task = state['done'], state['task']
        self._terms = {name: state['terms'][name] for name in self._terms}


def build_balance(
    balance: str | Mapping | None, terms: Mapping[str, nn.Module]
) -> FirstStepsBalance | None:
    """The balance of a config: None, a config, or ``'first_steps'`` for the defaults.

    Raises:
        UsageError: If it is another string, or does not fit the terms.
    """
    if balance is None:
        return None
    if isinstance(balance, str):
        if balance != 'first_steps':
            raise UsageError(
                "model.balance must be 'first_steps', a dict or None, but got "
                f"{balance!r}, nearest: 'first_steps'"
            )
        balance = dict(type='FirstStepsBalance')
    built = TASK_UTILS.build(balance)
    built.read(terms)
    return built
