"""From an arm and a pair to a trained, tested network."""

import json
import re
from collections.abc import Collection, Mapping
from functools import cache, cached_property
from hashlib import sha256
from math import isfinite
from pathlib import Path
from statistics import fmean
from typing import Any

from projects.SRKD.base import UsageError, nearest_name
from projects.SRKD.base.provenance import ROOT, commit, digest
from studies.config_files import config_content, data_options
from studies.metrics import MIOU_LABELED
from studies.mini_data import found_data, make_planned_data, planned_key
from studies.plan import Arm, Plan, TeacherPlan
from studies.runs import Runs, Trained, tool

# A planned training is tested once, at its end, and goes on from its last epoch.
_UNTESTED = {'train_cfg.val_begin': 1_000_000}


class Bench:
    """Where the runs of a plan take place.

    Args:
        plan: The plan.
        work_dir: Folder of data, trainings and tests.
        data_root: Data that is there already, of a plan that makes none.

    Raises:
        UsageError: If a data root is missing or superfluous.
    """

    def __init__(self, plan: Plan, work_dir: Path, data_root: Path | None = None) -> None:
        if (plan.data is None) != (data_root is not None):
            expected = 'needs' if plan.data is None else 'makes its own data and takes no'
            raise UsageError(f'plan {plan.name} {expected} --data-root')
        self.plan = plan
        self.runs = Runs(work_dir.resolve(), total=0, echo=lambda line: None)
        self.commit = commit()
        self._data_root = data_root
        self._root: Path | None = None

    @cached_property
    def data_key(self) -> str:
        """Digest of the data, which need not be there yet."""
        if self.plan.data is None:
            return found_data(self._data_root)[1]
        return planned_key(self.plan.data)

    @cached_property
    def classes(self) -> set[str]:
        """Classes of the test set; a test logs the IoU of each under its name."""
        dataset = _content(self.plan.test)['test_dataloader']['dataset']
        return set(dataset.get('metainfo', {}).get('classes', ()))

    def prepare(self, teachers: Collection[str]) -> None:
        """Make the data and the weights of untrained teachers."""
        if self.plan.data is None:
            self._root = found_data(self._data_root)[0]
        else:
            self._root, _ = make_planned_data(self.runs, self.plan.data)
        for name in teachers:
            self.weights(name)

    def key(self, arm: Arm, pair: int) -> str:
        """Digest of what a run is asked, the same in every clone."""
        teacher = None
        if arm.teacher is not None:
            of = self.plan.teachers[arm.teacher]
            teacher = [
                _content(of.config),
                of.seed if of.checkpoint is None else _sha(of.checkpoint),
            ]
        options = self._own_options(arm, pair)
        return digest(
            _content(arm.config), options, teacher, self.data_key, _content(self.plan.test)
        )

    def run(self, arm: Arm, pair: int, code: str) -> dict[str, Any]:
        """Train and test; returns the measured fields of a result.

        Args:
            arm: What is trained.
            pair: Its seed.
            code: Digest of the code; a training of other code is not taken up.

        Raises:
            StepFailed: If a step fails.
        """
        name, key = f'{arm.name}_{pair}', self.key(arm, pair)
        options = self._own_options(arm, pair) | data_options(arm.config, self._root)
        if arm.teacher is not None:
            options['model.teacher.config'] = self.plan.teachers[arm.teacher].config
            options['model.teacher.checkpoint'] = self.weights(arm.teacher)
        trained = self.runs.train(name, f'train {name}', arm.config, options, [key, code])
        metrics = self.test(name, trained)
        log = (self.runs.root / name / 'output.log').read_text()
        unlabeled = sorted(unlabeled_classes(log) & self.classes)
        metrics |= self.over_labeled_classes(metrics, unlabeled)
        note = self.runs.note(name)
        return dict(
            commit=note['commit'],
            metrics=metrics,
            unlabeled=unlabeled,
            seconds=note['seconds'],
            cpu_seconds=note['cpu_seconds'],
            fidelity={} if arm.teacher is None else self.fidelity(name, trained, arm.teacher),
        )

    def test(self, name: str, trained: Trained) -> dict[str, float]:
        """All numbers that ``tools/test.py`` logs."""
        options = data_options(self.plan.test, self._root)
        title = f'test {name}'
        found = self.runs.test(f'{name}_test', title, self.plan.test, trained, options)
        return self._numbers(found)

    def teacher_metrics(self, name: str) -> dict[str, float]:
        """What a trained teacher scores on the data of the study."""
        of = self.plan.teachers[name]
        trained = Trained(of.config, self.weights(name), _sha(self.weights(name)))
        options = data_options(of.config, self._root)
        step = f'teacher_{name}_test'
        found = self.runs.test(step, f'test teacher {name}', of.config, trained, options)
        metrics = self._numbers(found)
        return metrics | self.over_labeled_classes(metrics, [])

    def over_labeled_classes(
        self, metrics: Mapping[str, float], unlabeled: Collection[str]
    ) -> dict[str, float]:
        """mIoU over the classes that have a label; none where classes were not scored."""
        scored = [
            metrics[name] for name in sorted(self.classes - set(unlabeled)) if name in metrics
        ]
        return {MIOU_LABELED.key: fmean(scored)} if scored else {}

    def _numbers(self, found: Mapping[str, Any]) -> dict[str, float]:
        """Numbers of a test; a class that the test set does not hold has none."""
        compared = (*self.plan.primary, *self.plan.secondary, *self.plan.control)
        own = [of.metric for of in compared if of.metric is not None]
        for metric in (*self.plan.metrics, *own):
            derived = metric == MIOU_LABELED.key and self.classes
            if metric not in found and not derived:
                raise UsageError(
                    f'metrics of plan {self.plan.name} must be logged by its tests, '
                    f'but got {metric!r}, nearest: '
                    f'{nearest_name(metric, found)!r}'
                )
        return {
            key: value
            for key, value in found.items()
            if isinstance(value, (int, float)) and isfinite(value)
        }

    def teacher_key(self, name: str) -> str:
        """Digest of what a teacher's score depends on."""
        of = self.plan.teachers[name]
        weights = None if of.checkpoint is None else _sha(of.checkpoint)
        return digest(_content(of.config), weights, self.data_key)

    def weights(self, name: str) -> Path:
        """File of a teacher's weights; those of an untrained one are made here."""
        of = self.plan.teachers[name]
        if of.checkpoint is not None:
            return of.checkpoint
        known = digest(_content(of.config), of.seed)
        return _untrained(of, self.runs.root / f'untrained_{name}_{known}.pth')

    def fidelity(self, name: str, trained: Trained, teacher: str) -> dict[str, float]:
        """Agreement and KL with the teacher on the test scans."""
        of = self.plan.teachers[teacher]
        options = data_options(self.plan.test, self._root)
        key = digest(trained.key, _content(of.config), _sha(self.weights(teacher)), options)
        step = f'{name}_fidelity'
        out = self.runs.root / step / 'fidelity.json'
        command = tool(
            'analysis_tools/fidelity.py',
            *(self.plan.test, trained.checkpoint, of.config, self.weights(teacher), '--out', out),
            options=options,
        )
        return self.runs.step(step, f'fidelity of {name}', command, key, lambda _: _read_json(out))

    def _own_options(self, arm: Arm, pair: int) -> dict[str, Any]:
        """Options of a run that do not depend on the machine."""
        options = {k: _of_pair(value, pair) for k, value in arm.options.items()}
        length = {} if arm.epochs is None else length_options(_content(arm.config), arm.epochs)
        return {'randomness.seed': pair} | _UNTESTED | length | options


def length_options(content: Mapping[str, Any], epochs: int) -> dict[str, int]:
    """Options that give a schedule by epochs another length, its warm-up unchanged.

    Args:
        content: Content of a config.
        epochs: New length.

    Raises:
        UsageError: If the length is not that of epochs.

    Example:
        >>> length_options({'train_cfg': {'max_epochs': 20, 'val_interval': 20}}, 60)
        {'train_cfg.max_epochs': 60, 'train_cfg.val_interval': 60}
    """
    loop = content['train_cfg']
    old = loop.get('max_epochs')
    if old is None:
        raise UsageError('train_cfg must have max_epochs for a planned length, but has none')
    options = {'train_cfg.max_epochs': epochs, 'train_cfg.val_interval': epochs}
    for index, scheduler in enumerate(content.get('param_scheduler', [])):
        place = f'param_scheduler.{index}'
        if scheduler.get('end') == old and scheduler.get('by_epoch', True):
            options[f'{place}.end'] = epochs
            if 'T_max' in scheduler:
                options[f'{place}.T_max'] = scheduler['T_max'] + epochs - old
    return options


def unlabeled_classes(log: str) -> set[str]:
    """Classes without a labeled point, as ``PartialLabels`` tells them in a log.

    Example:
        >>> unlabeled_classes('classes with fewer than 200 labeled points: desk (0), bed (3); more')
        {'desk'}
    """
    told = re.search(r'labeled points: ([^;\n]*)', log)
    return set(re.findall(r'([^,]+) \(0\)', told.group(1).replace(', ', ','))) if told else set()


def _of_pair(value: Any, pair: int) -> Any:
    if isinstance(value, list):
        return [_of_pair(of, pair) for of in value]
    if not isinstance(value, str) or '{pair}' not in value:
        return value
    filled = value.replace('{pair}', str(pair))
    return int(filled) if filled.isdigit() else filled


@cache
def _content(config: Path) -> dict:
    """A config's content without the folder that the repository lies in."""
    text = json.dumps(config_content(config), default=str)
    return json.loads(text.replace(f'{ROOT}/', ''))


@cache
def _sha(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _read_json(path: Path) -> dict | None:
    return json.loads(path.read_text()) if path.is_file() else None


def _untrained(of: TeacherPlan, path: Path) -> Path:
    """Write a network as its constructors leave it: a control knows nothing."""
    if not path.is_file():
        import torch  # here and below: --dry-run needs no network

        from projects.SRKD.analysis.networks import build_network, read_plain
        from projects.SRKD.base import write_whole

        torch.manual_seed(of.seed)
        network = build_network(read_plain(of.config))
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(path) as file:
            torch.save(dict(state_dict=network.state_dict()), file)
    return path
