"""Info files that cannot be read are told by name, entry and key.

Breaks: an info file that is cut, empty, text, of mmdet3d below 1.0 or of another layout ends in
    ``EOFError``, ``UnpicklingError``, ``KeyError: 'lidar_points'`` ... without the file's name; one
    without entries trains on nothing, one without ``instances`` on frames without objects, and
    boxes without an extent are taken.
Where: mmengine 0.10.7 ``dataset/base_dataset.py``: ``BaseDataset.load_data_list``.
Delete when: mmengine names file and entry.
"""

from functools import wraps
from importlib.util import find_spec
from reprlib import repr as shortened
from typing import Any

from ..base import FileMissingError, UsageError, nearest_path
from ..base.inside import is_inside, wandering_paths

# What a reader of pickle, JSON or YAML raises on bytes that are none.
_UNREADABLE = (
    LookupError, ValueError, TypeError, AttributeError, MemoryError, OverflowError, RecursionError,
)  # fmt: skip
# What parsing raises on an entry of another form.
_MISFORMED = (
    LookupError, TypeError, ValueError, AttributeError, AssertionError, RuntimeError,
)  # fmt: skip


def apply() -> bool:
    """Wrap the reading of info files."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.dataset import BaseDataset, base_dataset

    if hasattr(BaseDataset.load_data_list, 'original'):
        return True
    load = base_dataset.load
    load_data_list = BaseDataset.load_data_list

    @wraps(load)
    def named_load(file: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            content = load(file, *args, **kwargs)
        except FileNotFoundError as error:
            raise FileMissingError(
                f'info file {file} does not exist; {nearest_path(file)}'
            ) from error
        except OSError as error:
            raise UsageError(f'info file {file} cannot be read: {error.strerror}') from error
        except _UNREADABLE as error:
            raise UsageError(
                f'info file {file} cannot be read ({_sentence(error)}): expected what '
                'a converter of tools/dataset_converters wrote'
            ) from error
        _check_layout(content, file)
        return content

    @wraps(load_data_list)
    def named_load_data_list(self) -> list[dict]:
        parse = self.parse_data_info
        entry = -1

        def parse_named(info: Any) -> Any:
            nonlocal entry
            entry += 1
            return _parsed(self, parse, info, entry)

        self.parse_data_info = parse_named
        try:
            return load_data_list(self)
        finally:
            del self.parse_data_info

    named_load_data_list.original = load_data_list
    base_dataset.load = named_load
    BaseDataset.load_data_list = named_load_data_list
    return True


def _check_layout(content: Any, file: Any) -> None:
    if isinstance(content, list) or (isinstance(content, dict) and 'infos' in content):
        raise UsageError(
            f'info file {file} was written by mmdet3d below 1.0, expected the keys metainfo and '
            "data_list: convert it with mmdet3d's tools/dataset_converters/update_infos_to_v2.py "
            f'--dataset NAME --pkl-path {file}'
        )
    if not isinstance(content, dict):
        raise UsageError(
            f'info file {file} holds a {type(content).__name__}, expected a dict with the keys '
            'metainfo and data_list'
        )
    for key, kind in (('metainfo', dict), ('data_list', list)):
        if not isinstance(content.get(key), kind):
            found = type(content[key]).__name__ if key in content else 'nothing'
            raise UsageError(
                f'info file {file} has {found} as {key}, expected a {kind.__name__}: its keys are '
                f'{", ".join(map(str, list(content)[:9]))[:200] or "none"}'
            )
    if not content['data_list']:
        raise UsageError(f'info file {file} has an empty data_list, expected at least one scan')


def _parsed(dataset: Any, parse: Any, info: Any, entry: int) -> Any:
    """Parse an entry; what it lacks is named."""
    from ..datasets.infos.kitti_planes import is_plane

    where = f'entry {entry} of info file {dataset.ann_file}'
    if not isinstance(info, dict):
        raise UsageError(f'{where} is a {type(info).__name__}, expected a dict')
    lidar = info.get('lidar_points')
    if not isinstance(lidar, dict) or not isinstance(lidar.get('lidar_path'), str):
        raise UsageError(f'{where} has no lidar_points.lidar_path, expected the path of its points')
    where += f' ({lidar["lidar_path"]})'
    if _wants_boxes(dataset) and not isinstance(info.get('instances'), list):
        raise UsageError(
            f'{where} has no list of instances, expected one, empty where there is no object'
        )
    if 'plane' in info and not is_plane(info['plane']):
        raise UsageError(
            f'{where} has the ground plane {shortened(info["plane"])}, expected 4 finite '
            'numbers, or no key plane: write the info file again with whole files in '
            'training/planes, or with none'
        )
    wandering = list(wandering_paths(info))
    try:
        parsed = parse(info)
    except UsageError:
        raise
    except KeyError as error:
        raise UsageError(f'{where} lacks the key {error}') from error
    except _MISFORMED as error:
        raise UsageError(
            f'{where} has another form than {type(dataset).__name__} reads: {_sentence(error)}'
        ) from error
    for place, key in wandering:
        _check_inside(dataset, place[key], f'{where} has as {key}')
    _check_boxes_of(parsed, where)
    return parsed


def _check_inside(dataset: Any, path: str, where: str) -> None:
    """Refuse a path out of the data root and the folders that the config names beside it."""
    named = [value for value in dataset.data_prefix.values() if isinstance(value, str) and value]
    if dataset.data_root and not is_inside(path, [dataset.data_root, *named]):
        raise UsageError(
            f'{where} the path {path}, which leads out of data_root={dataset.data_root!r}, '
            "expected one inside of it; data_root='' takes any"
        )


def _sentence(error: Exception) -> str:
    """What an error says, in one line of bounded length."""
    return ' '.join(str(error).split())[:300] or type(error).__name__


def _wants_boxes(dataset: Any) -> bool:
    from mmdet3d.datasets import Det3DDataset

    unlabeled = dataset.test_mode and not getattr(dataset, 'load_eval_anns', True)
    return isinstance(dataset, Det3DDataset) and not unlabeled


def _check_boxes_of(parsed: Any, where: str) -> None:
    from ..datasets.box_values import check_boxes

    for info in parsed if isinstance(parsed, list) else [parsed]:
        for key in ('ann_info', 'eval_ann_info'):
            boxes = ((info or {}).get(key) or {}).get('gt_bboxes_3d')
            if boxes is not None and hasattr(boxes, 'tensor'):
                check_boxes(boxes.tensor.numpy(), f'{where} has')
