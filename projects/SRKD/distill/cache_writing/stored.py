"""What a folder already holds of a cache, and whether writing may go on in it.

A cache of views may grow: files of views that were added lie behind those of the first.
"""

from collections.abc import Iterable, Mapping

from ...base import UsageError
from ..cache.facts import differing
from ..cache.file import CHANGED, SceneFile, check_scene
from ..cache.folder import TeacherCache
from .scans import TrainingScans


def check_same(cache: TeacherCache, facts: Mapping, taps: Iterable[str]) -> None:
    """Refuse to go on in a folder that holds a cache of something else, or more views.

    Args:
        cache: Of the folder; nothing is refused where it is empty.
        facts: Of the cache to be written.
        taps: What it shall hold.

    Raises:
        UsageError: With the first difference.
    """
    found, taps = cache.read('cache.json'), list(taps)
    if not found:
        return
    views, present = facts['views'], found.get('views', 0)
    grown = dict(facts, views=present) if views and present else facts
    difference = differing(found, grown)
    if difference is None and set(found['taps']) != set(taps):
        difference = f'other taps: {", ".join(found["taps"])} there, {", ".join(taps)} here'
    if difference:
        raise UsageError(
            f'folder {cache.folder} already holds a teacher cache of {difference}: name '
            'another folder (--out), or delete this one'
        )
    if views < present:
        raise UsageError(
            f'views must be at least {present}, as many of each scan as folder {cache.folder} '
            f'holds, but got {views}: a training with ReplayViews(views={views}) reads the first '
            f'of them as they are; to finish or check the folder, use --views {present}'
        )


def check_clouds(cache: TeacherCache, scans: TrainingScans) -> None:
    """Refuse views that come out otherwise now than those stored, judged by one of each number.

    Args:
        cache: Whose files hold probes.
        scans: In their views.

    Raises:
        UsageError: Naming the first that differs, or is damaged.
    """
    views = scans.facts['views'] if cache.read('cache.json') else 0
    for view in range(views):
        file = view * len(scans.index)
        path = cache.path(file)
        if not path.is_file():
            continue
        check_scene(path)
        if difference := SceneFile(path).other_cloud(scans.load(file).points):
            raise UsageError(
                f'view {view} of {scans.table["path"][0]} is another cloud than {path} was made '
                f'from: {difference}; {CHANGED}: name another folder (--out), or delete this one'
            )


def missing_files(cache: TeacherCache, count: int, check: bool = False) -> list[int]:
    """Numbers of the files that are not there, the leftovers of a killed run removed.

    Args:
        cache: Of the folder.
        count: Number of files that it shall hold.
        check: Whether files are read and compared with their checksums; damaged ones are then
            removed and missing.
    """
    for name in ('.cache.json', '.scenes.json', '*/.*.npy'):
        for part in cache.folder.glob(f'{name}.*.part'):
            part.unlink()
    if not cache.read('cache.json'):
        return list(range(count))
    left = []
    for file in range(count):
        path = cache.path(file)
        if path.is_file() and check:
            try:
                check_scene(path)
            except ValueError:
                path.unlink()
        if not path.is_file():
            left.append(file)
    return left
