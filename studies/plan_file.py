"""Plans read from TOML files; their form is told in ``studies/plans/README.md``."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings the same under its older name
    import tomli as tomllib

from projects.SRKD.base import FileMissingError, UsageError
from projects.SRKD.base.nearest import nearest_name, nearest_path
from projects.SRKD.base.provenance import ROOT, digest
from studies.config_files import config_content
from studies.plan import Arm, Comparison, Figure, Plan, TeacherPlan

PLANS = ROOT / 'studies' / 'plans'
_SECTIONS = {'title', 'question', 'pairs', 'test', 'metrics', 'baseline', 'data', 'teachers',
             'arms', 'primary', 'secondary', 'control', 'figure'}  # fmt: skip
_NAMED = re.compile(r'\{\w+\}')  # a literal dict does not look so
_ARM = {'config', 'epochs', 'options', 'teacher', 'grid', 'point', 'minutes', 'shorter', 'pairs'}


def read_plan(path: str | Path) -> Plan:
    """Read and check a plan.

    Args:
        path: ``.toml`` file, or the name of one in ``studies/plans``.

    Raises:
        FileMissingError: If the plan or a file that it names is not there.
        UsageError: If something in it is unknown, missing or written twice.
    """
    path = Path(path)
    if not path.is_file() and (PLANS / path).with_suffix('.toml').is_file():
        path = (PLANS / path).with_suffix('.toml')
    if not path.is_file():
        raise FileMissingError(f'--plan {path} is not there, the nearest is {nearest_path(path)}')
    try:
        content = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:  # it tells of keys that are written twice, too
        raise UsageError(f'{path} must be a TOML file, but {error}') from None
    return _Reader(path, content).plan()


class _Reader:
    """Reads one file; messages name it and the place."""

    def __init__(self, path: Path, content: dict) -> None:
        self.path, self.content = path, content

    def plan(self) -> Plan:
        self._keys('', self.content, _SECTIONS, ('title', 'question', 'pairs', 'test', 'arms'))
        pairs = self._pairs('pairs', self.content['pairs'])
        teachers = {name: self._teacher(name, of) for name, of in self._section('teachers').items()}
        arms: dict[str, Arm] = {}
        for name, of in self._section('arms').items():
            for arm in self._arms(name, of, pairs, teachers):
                if arm.name in arms:
                    raise UsageError(f'{self.path}: arm {arm.name!r} is planned twice')
                arms[arm.name] = arm
        if len(arms) < 2:
            raise UsageError(f'{self.path}: arms must be two or more, but got {list(arms)}')
        self._no_twins(arms)
        for arm in arms.values():
            if arm.shorter is not None:
                self._arm(f'arms.{arm.name}.shorter', arm.shorter, arms)
        baseline = self.content.get('baseline', next(iter(arms)))
        compared = [self._comparisons(kind, arms) for kind in ('primary', 'secondary', 'control')]
        claims = [claim.name for claim in compared[0]]
        for control in compared[2]:
            for ended in control.ends:
                self._known(f'control.{control.name}.ends', ended, claims, 'a primary comparison')
        return Plan(
            name=self.path.stem,
            title=self.content['title'],
            question=self.content['question'],
            data=self._data(),
            test=self._file('test', self.content['test']),
            metrics=tuple(self.content.get('metrics', ['miou', 'acc_cls'])),
            teachers=teachers,
            arms=arms,
            baseline=self._arm('baseline', baseline, arms),
            primary=compared[0],
            secondary=compared[1],
            control=compared[2],
            figures=tuple(self._figure(i, of) for i, of in enumerate(self._list('figure'))),
        )

    def _data(self) -> tuple[str, ...] | None:
        found = self._section('data')
        self._keys('data', found, {'make'}, ())
        words = found.get('make')
        if words is None:
            return None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UsageError(
                f'{self.path}: data.make must be the words of tools/make_mini_data.py without '
                f'--out, but got {words!r}'
            )
        return tuple(words)

    def _teacher(self, name: str, of: dict) -> TeacherPlan:
        where = f'teachers.{name}'
        self._keys(where, of, {'config', 'checkpoint', 'seed'}, ('config',))
        if ('checkpoint' in of) == ('seed' in of):
            raise UsageError(
                f'{self.path}: {where} must have a checkpoint, or the seed of an untrained network'
            )
        weights = of.get('checkpoint')
        return TeacherPlan(
            self._file(f'{where}.config', of['config']),
            None if weights is None else self._file(f'{where}.checkpoint', weights),
            of.get('seed', 0),
        )

    def _arms(self, name: str, of: dict, pairs: tuple[int, ...], teachers: dict) -> list[Arm]:
        where = f'arms.{name}'
        self._keys(where, of, _ARM, ('config',))
        config = self._file(f'{where}.config', of['config'])
        if 'teacher' in of:
            self._known(f'{where}.teacher', of['teacher'], teachers, 'a teacher')
        own = self._pairs(f'{where}.pairs', of['pairs']) if 'pairs' in of else pairs
        grid = of.get('grid', {})
        single = self._single_point(name, of)
        if not isinstance(grid, dict) or not all(isinstance(v, list) and v for v in grid.values()):
            raise UsageError(f'{self.path}: {where}.grid must hold lists, but got {grid!r}')
        for option, value in of.get('options', {}).items():
            if isinstance(value, dict):
                raise UsageError(
                    f'{self.path}: {where}.options must have keys in quotes, '
                    f"'{option}.{next(iter(value), '')}', but got a table {option!r}"
                )
        taught = bool(config_content(config).get('model', {}).get('teacher'))
        if taught != ('teacher' in of):
            needs = 'name its teacher' if taught else 'have no teacher'
            raise UsageError(f'{self.path}: {where} must {needs}: that is what {config.name} is')
        found = []
        for values in itertools.product(*grid.values()):
            point = dict(zip(grid, values, strict=True))
            full = '-'.join([name, *map(str, values)])
            filled = {
                k: self._fill(f'{where}.{k}', v, point)
                for k, v in of.items()
                if k not in ('grid', 'point')
            }
            epochs = filled.get('epochs')
            found.append(
                Arm(
                    full,
                    config,
                    None if epochs is None else self._whole(f'{where}.epochs', epochs),
                    filled.get('options', {}),
                    of.get('teacher'),
                    own,
                    of.get('minutes'),
                    filled.get('shorter'),
                    single or point,
                )
            )
        return found

    def _single_point(self, name: str, of: Mapping[str, Any]) -> dict[str, Any]:
        """Place of an arm on the curve of a grid of the same first words, if it says one."""
        if 'point' not in of:
            return {}
        point = of['point']
        end = ''.join(f'-{value}' for value in point.values()) if isinstance(point, dict) else None
        if end is None or 'grid' in of or not name.endswith(end):
            raise UsageError(
                f'{self.path}: arms.{name}.point must hold the values that its name ends with, as '
                f'{{ epochs = 60 }} of "alone-60", and no grid beside it, but got {point!r}'
            )
        return point

    def _fill(self, where: str, value: Any, point: Mapping[str, Any]) -> Any:
        """Put the values of a grid's point in the place of their names."""
        if isinstance(value, dict):
            return {k: self._fill(f'{where}.{k}', v, point) for k, v in value.items()}
        if not isinstance(value, str) or '{' not in value:
            return value
        for name, known in point.items():
            if value == f'{{{name}}}':
                return known
            value = value.replace(f'{{{name}}}', str(known))
        if set(_NAMED.findall(value)) - {'{pair}'}:
            raise UsageError(
                f'{self.path}: {where} must hold names of the grid or {{pair}} in braces, '
                f'but got {value!r}'
            )
        return value

    def _no_twins(self, arms: Mapping[str, Arm]) -> None:
        seen: dict[str, str] = {}
        for arm in arms.values():
            same = digest(str(arm.config), arm.epochs, dict(arm.options), arm.teacher)
            if same in seen:
                raise UsageError(
                    f'{self.path}: arms {seen[same]!r} and {arm.name!r} are the same run twice'
                )
            seen[same] = arm.name

    def _comparisons(self, kind: str, arms: Mapping[str, Arm]) -> tuple[Comparison, ...]:
        allowed = {'arm', 'minus', 'metric'} | ({'ends'} if kind == 'control' else set())
        found = []
        for name, of in self._section(kind).items():
            where = f'{kind}.{name}'
            self._keys(where, of, allowed, ('arm', 'minus'))
            for side in ('arm', 'minus'):
                self._arm(f'{where}.{side}', of[side], arms)
            if of['arm'] == of['minus']:
                raise UsageError(f'{self.path}: {where} compares {of["arm"]!r} with itself')
            ends, metric = tuple(of.get('ends', ())), of.get('metric')
            found.append(Comparison(name, of['arm'], of['minus'], ends, metric))
        return tuple(found)

    def _figure(self, index: int, of: dict) -> Figure:
        where = f'figure[{index}]'
        self._keys(where, of, {'title', 'x', 'lines', 'log'}, ('title', 'x', 'lines'))
        for name in of['lines']:
            arm = self._known(f'{where}.lines', name, self._section('arms'), 'an arm')
            axis = f'an axis of the grid of {name}'
            places = self._known(f'{where}.x', of['x'], arm.get('grid', {}), axis)
            if not all(isinstance(place, (int, float)) for place in places):
                raise UsageError(
                    f'{self.path}: {where}.x must be an axis of numbers, but got {places!r}'
                )
        return Figure(of['title'], of['x'], tuple(of['lines']), of.get('log', True))

    def _section(self, name: str) -> dict:
        found = self.content.get(name, {})
        if not isinstance(found, dict):
            raise UsageError(f'{self.path}: {name} must be a table, but got {found!r}')
        return found

    def _list(self, name: str) -> list:
        found = self.content.get(name, [])
        if not isinstance(found, list):
            raise UsageError(f'{self.path}: {name} must be [[{name}]], but got {found!r}')
        return found

    def _keys(self, where: str, of: Any, allowed: set[str], needed: Sequence[str]) -> None:
        place = f'{self.path}: {where}' if where else f'{self.path}'
        if not isinstance(of, dict):
            raise UsageError(f'{place} must be a table, but got {of!r}')
        for key in of:
            if key not in allowed:
                near = nearest_name(key, allowed)
                raise UsageError(f'{place} must not hold {key!r}, nearest: {near!r}')
        for key in needed:
            if key not in of:
                raise UsageError(f'{place} must hold {key!r}, but has {sorted(of)}')

    def _known(self, where: str, name: Any, known: Any, kind: str) -> Any:
        if name not in known:
            near = nearest_name(name, known)
            hint = f', nearest: {near!r}' if near else ''
            raise UsageError(f'{self.path}: {where} must name {kind}, but got {name!r}{hint}')
        return known[name] if isinstance(known, dict) else name

    def _arm(self, where: str, name: str, arms: Mapping[str, Arm]) -> str:
        self._known(where, name, arms, 'a planned arm')
        return name

    def _pairs(self, where: str, found: Any) -> tuple[int, ...]:
        whole = isinstance(found, list) and all(type(seed) is int and seed >= 0 for seed in found)
        if not whole or not found or len(set(found)) < len(found):
            raise UsageError(
                f'{self.path}: {where} must be different seeds of at least 0, but got {found!r}'
            )
        return tuple(found)

    def _whole(self, where: str, found: Any) -> int:
        if type(found) is not int or found < 1:
            raise UsageError(f'{self.path}: {where} must be a whole number, but got {found!r}')
        return found

    def _file(self, where: str, name: str) -> Path:
        path = ROOT / name
        if not path.is_file():
            raise FileMissingError(
                f'{self.path}: {where} names {name}, which is not there; the nearest is '
                f'{nearest_path(path)}'
            )
        return path
