"""Lets a teacher choose the views that ``ChosenViews`` shows.

What is looked for is a small spread of the teacher's mean prediction. Wang et al. 2022 ("What Makes
a 'Good' Data Augmentation in Knowledge Distillation", NeurIPS) show that augmentation helps a
student the more, the less the teacher-student cross-entropies of its samples covary, and measure
that without a student: the teacher's class probabilities are averaged over a set of samples, and
the standard deviation of this mean from set to set is low for good augmentations. They compare
augmentations by it. Here it picks views: of the N candidates of a scan, the first K are those whose
mean lies near the mean of all N, by :func:`.herding_order`. It is the mean of a set that shall not
vary; views that are alike one by one would covary most.

Shape letters: N candidates of a scan, L classes, R rows at the logits.
"""

import json
import time
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from ...base import UsageError, write_text
from ...base.lock import place_held
from ...base.progress import progress
from ...datasets.chosen_views import ChosenViews, read_choice
from ...datasets.replay_views import VIEWS
from ...ops.herding import herding_order
from ..cache.facts import differing, teacher_facts
from .scans import ReplayedScans, innermost, is_kind
from .writer import config_teacher, is_logits, show

_EVERY = 30.0  # seconds between two writings of an unfinished choice


def has_choice(cfg: Config) -> bool:
    """Whether the training pipeline of a config shows chosen views."""
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    return is_kind(innermost(cfg.train_dataloader.dataset).pipeline[-1], ChosenViews)


class ViewChoice:
    """The candidate views of a config's training scans, its teacher, and the file of the choice.

    Args:
        cfg: A distillation run whose training pipeline ends with ``ChosenViews``.
        device: Where the teacher runs.

    Raises:
        UsageError: If no term reads logits, or the file holds a choice of something else.
    """

    def __init__(self, cfg: Config, device: str = 'cpu') -> None:
        last = innermost(cfg.train_dataloader.dataset).pipeline[-1]
        self.file, self.views = Path(last.choice), last.get('views', VIEWS)
        cfg = deepcopy(cfg)
        innermost(cfg.train_dataloader.dataset).pipeline[-1] = ChosenViews.candidate_views(last)
        self.scans, self.teacher = ReplayedScans(cfg), config_teacher(cfg)
        self.device = torch.device(device)
        taps = [tap for tap in self.teacher.paths if is_logits(tap)]
        if not taps:
            raise UsageError(
                'views are chosen by what the teacher predicts, but no term of the config reads '
                f'logits, only {", ".join(self.teacher.paths)}: add a term on logits, or use '
                'ReplayViews'
            )
        self.tap = taps[0]
        facts = teacher_facts(self.teacher.config, self.teacher.checkpoint)
        facts.pop('layout')
        self.facts = facts | self.scans.facts
        found = read_choice(self.file)
        if found and (difference := differing(found, self.facts)):
            raise UsageError(
                f'file {self.file} already holds a choice of views of {difference}: name another '
                'one (choice of ChosenViews), or delete it'
            )
        self.order: list[list[int]] = found.get('order', [])

    @property
    def finished(self) -> bool:
        """Whether the views of every scan are chosen."""
        return len(self.order) == len(self.scans.index)

    @torch.no_grad()
    def mean_prediction(self, scan: int, view: int) -> Tensor:
        """Mean of the teacher's class probabilities over a candidate, ``(L,)`` float64.

        Args:
            scan: Number of the scan.
            view: Number of the candidate.
        """
        shown = self.scans.load(view * len(self.scans.index) + scan)
        taught, _ = show(self.teacher, shown, self.device)
        return taught[self.tap].feat.double().softmax(1).mean(0).cpu()

    def mean_predictions(self, scan: int) -> Tensor:
        """Those of all candidates of a scan, ``(N, L)``."""
        views = range(self.facts['views'])
        return torch.stack([self.mean_prediction(scan, view) for view in views])

    def write(self) -> None:
        """Write what is chosen so far."""
        content = self.facts | self.scans.table | dict(finished=self.finished, order=self.order)
        write_text(self.file, json.dumps(content) + '\n')


def spread(means: Tensor, views: Sequence[int]) -> float:
    """How far the mean prediction of some views lies from that of all candidates.

    Args:
        means: ``(N, L)``, of each candidate.
        views: Numbers of some.

    Returns:
        Root of the mean square over classes. Over many sets of views this is the standard deviation
        that Wang et al. measure.
    """
    return (means[list(views)].mean(0) - means.mean(0)).square().mean().sqrt().item()


def choose_views(choice: ViewChoice, dry_run: bool = False) -> None:
    """Choose the views of all scans that have none; print what that takes, and the spread.

    Args:
        choice: To be made.
        dry_run: Whether to stop behind the estimate, leaving nothing.
    """
    scans, count, first = choice.scans, choice.facts['views'], len(choice.order)
    print(f'choice of views {choice.file}: {scans} to choose from, {first} scans are done')
    if choice.finished:
        return
    start = time.perf_counter()
    choice.mean_prediction(first, 0)
    left = range(first, len(scans.index))
    seconds = (time.perf_counter() - start) * count * scans.share(left)
    print(f'all {len(left)} scans: about {seconds:.0f} s', flush=True)
    if dry_run:
        return
    with place_held(choice.file, 'the file of the choice'):
        far = _choose(choice, left)
    chosen, drawn = torch.tensor(far).square().mean(0).sqrt().tolist()
    print(
        f'spread of the mean prediction over {choice.views} views: {chosen:.2g} of those chosen, '
        f'{drawn:.2g} of the first {choice.views} candidates'
    )


def _choose(choice: ViewChoice, left: Sequence[int]) -> list[list[float]]:
    """Choose the views of some scans; returns each one's spread, of those chosen and the first."""
    choice.write()  # now, so that a file that cannot be written fails early
    written, far = time.monotonic(), []
    try:
        for scan in progress('chosen', left):
            means = choice.mean_predictions(scan)
            order = herding_order(means)
            choice.order.append(order)
            some = order[: choice.views], range(choice.views)
            far.append([spread(means, views) for views in some])
            if time.monotonic() - written > _EVERY:
                choice.write()
                written = time.monotonic()
    finally:
        choice.write()
    return far
