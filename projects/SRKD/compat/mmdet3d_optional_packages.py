"""mmdet3d is imported without the packages that only nuScenes and Lyft need.

Breaks: "No module named 'nuscenes'" (or 'lyft_dataset_sdk') for whoever segments ScanNet and does
    not want a package that forbids commercial use (docs/licenses.md).
Where: mmdet3d 1.4.0 imports them with ``mmdet3d.evaluation`` (``metrics/nuscenes_metric.py``,
    ``metrics/lyft_metric.py``, ``functional/lyft_eval.py``) and ``mmdet3d.datasets``
    (``convert_utils.py``, ``utils.py``: also pyquaternion and shapely, which come with them).
Delete when: it imports them where they are used.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NoReturn

from ..base.packages import OPTIONAL, PackageMissingError


class Missing:
    """Stands for a class or function of a package that is not there; any use names the package."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *args, **kwargs) -> NoReturn:
        """Say what to install."""
        raise PackageMissingError(self._name)

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith('__'):  # Python asks for those on its own
            raise AttributeError(attribute)
        raise PackageMissingError(f'{self._name}.{attribute}')


class MissingModule(ModuleType):
    """Stands for a module of such a package."""

    def __getattr__(self, attribute: str) -> Missing:
        if attribute.startswith('__'):
            raise AttributeError(attribute)
        return Missing(f'{self.__name__}.{attribute}')


class _Finder(MetaPathFinder, Loader):
    def __init__(self, roots: Iterable[str]) -> None:
        self.roots = set(roots)

    def find_spec(self, name: str, path: Sequence | None = None, target: Any = None):
        if name.split('.')[0] in self.roots:
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return MissingModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module empty."""


def absent() -> list[str]:
    """Optional packages, by the name to import, that cannot be found."""
    return [name for name in OPTIONAL if not _is_there(name)]


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ModuleNotFoundError, ValueError):
        return False


@contextmanager
def stood_in_for(roots: Iterable[str]) -> Iterator[None]:
    """Let imports of these packages give stand-ins; afterwards they fail as before."""
    finder = _Finder(roots)
    before = {name: sys.modules.pop(name) for name in roots if name in sys.modules}
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split('.')[0] in finder.roots]:
            del sys.modules[name]
        sys.modules.update(before)


def apply() -> bool:
    """Import what needs the packages, with stand-ins for those that are not there."""
    if find_spec('mmdet3d') is None or not (roots := absent()):
        return False
    with stood_in_for(roots):
        for module in ('evaluation', 'datasets'):
            import_module(f'mmdet3d.{module}')
    return True
