"""Of many candidate views of every scan, the few that a teacher has chosen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet3d.registry import TRANSFORMS

from ..base import FileMissingError, UsageError
from ..base.json_file import read_json
from ..base.provenance import digest
from .replay_views import VIEWS, ReplayViews

_MAKE = 'python tools/cache_teacher.py CONFIG'


@TRANSFORMS.register_module()
class ChosenViews(ReplayViews):
    """Show a few of many candidate views: those that a teacher's predictions speak for.

    The candidates are the views of ``ReplayViews(views=candidates)``. Which of them are shown, and
    in which order, stands in a file that ``tools/cache_teacher.py`` writes before it writes the
    cache. To show them the teacher is not needed: a student alone can train on the same views.

    Args:
        transforms: As for :class:`ReplayViews`.
        choice: The file.
        candidates: Number of views that are chosen from.
        views: Number of views of each scan that are shown.
        seed: Of all candidates.

    Raises:
        UsageError: If there are fewer candidates than views, or the choice is unfinished or was
            made from other candidates.
        FileMissingError: If there is no choice.
    """

    def __init__(
        self,
        transforms: Sequence[dict],
        choice: str | Path,
        candidates: int,
        views: int = VIEWS,
        seed: int = 0,
    ) -> None:
        super().__init__(transforms, views, seed)
        _check_candidates(candidates, views)
        self.choice = Path(choice)
        found = self._read(dict(self.facts, views=candidates))
        self._path, self._scan, self._order = (found[key] for key in ('path', 'scan', 'order'))
        self.facts['augmentation'] = digest(self.facts['augmentation'], self._order)

    @staticmethod
    def candidate_views(config: Mapping[str, Any]) -> dict[str, Any]:
        """Config of a ``ReplayViews`` that shows the candidates of one of ``ChosenViews``.

        Args:
            config: Of the latter.

        Raises:
            UsageError: If there are fewer candidates than views.
        """
        _check_candidates(config['candidates'], config.get('views', VIEWS))
        others = {key: config[key] for key in ('transforms', 'seed') if key in config}
        return dict(others, type=ReplayViews.__name__, views=config['candidates'])

    def number(self, results: dict, view: int) -> int:
        """Which candidate is view ``view`` of a loaded scan.

        Raises:
            UsageError: If the choice was made for other scans.
        """
        slot, path = int(results['sample_idx']), str(results['lidar_points']['lidar_path'])
        scan = self._scan[slot] if slot < len(self._scan) else None
        name = 'none' if scan is None else self._path[scan]
        if not f'/{path}'.replace('\\', '/').endswith(f'/{name}'):
            raise UsageError(
                f'choice of views {self.choice} was made for other data: scan {slot} of the data '
                f'set was {name} there and is {path} here; write one for this data with {_MAKE}'
            )
        return self._order[scan][view]

    def _read(self, here: Mapping[str, Any]) -> dict:
        if not (found := read_choice(self.choice)):
            raise FileMissingError(
                f'choice of views {self.choice} does not exist: write it with {_MAKE}'
            )
        names = dict(views='candidates', seed='seed', augmentation='transforms (digest)')
        for key, name in names.items():
            if found.get(key) != here[key]:
                raise UsageError(
                    f'choice of views {self.choice} was made from other candidates: {name} '
                    f'{found.get(key)} there, {here[key]} here; write one for these with {_MAKE}, '
                    'or give ChosenViews what it was made with'
                )
        if not found['finished']:
            raise UsageError(
                f'choice of views {self.choice} is unfinished: run {_MAKE} again, it goes on where '
                'it stopped'
            )
        return found


def read_choice(path: Path) -> dict[str, Any]:
    """Content of the file of a choice; empty where there is none.

    Args:
        path: The file.

    Raises:
        UsageError: If it is damaged.
    """
    if not path.is_file():
        return {}
    advice = f'delete it and run {_MAKE} again, which makes it anew'
    try:
        content = read_json(path)
    except UsageError as error:
        raise UsageError(f'choice of views {error}: {advice}') from None
    if wrong := _wrong_choice(content):
        raise UsageError(f'choice of views {path} is damaged ({wrong}): {advice}')
    return content


def _wrong_choice(content: Mapping[str, Any]) -> str:
    lists = [content.get(key) for key in ('path', 'scan', 'order')]
    if not all(isinstance(values, list) for values in lists):
        return 'path, scan and order must be lists'
    path, scan, order = lists
    if not all(type(number) is int and 0 <= number < len(path) for number in scan):
        return 'scan must name scans that there are'
    if not all(_is_order(numbers, content.get('views')) for numbers in order):
        return 'order must name each candidate of a scan once'
    if len(order) > len(path) or content.get('finished') is not (len(order) == len(path)):
        return 'finished must say whether order has all scans'
    return ''


def _is_order(numbers: Any, count: Any) -> bool:
    fits = isinstance(numbers, list) and len(numbers) == count
    return fits and set(map(repr, numbers)) == set(map(repr, range(count)))


def _check_candidates(candidates: Any, views: int) -> None:
    if type(candidates) is not int or candidates < views:
        raise UsageError(
            f'candidates of ChosenViews must be an integer of at least {views}, the number of '
            f'views, but got {candidates!r}'
        )
