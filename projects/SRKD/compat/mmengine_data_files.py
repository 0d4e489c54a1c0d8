"""Pickles and YAML files that ``mmengine.load`` reads are data, and run nothing.

Breaks: an info file, a database of objects, predictions: any ``.pkl`` or ``.yaml`` runs whatever
    code it names while it is read, in data sets, metrics, ``ObjectSample`` and inferencers.
Where: mmengine 0.10.7 ``fileio/handlers/pickle_handler.py``: ``PickleHandler.load_from_fileobj``;
    ``yaml_handler.py``: ``YamlHandler.load_from_fileobj``, whose loader builds any object.
Delete when: mmengine reads data alone.

A pickle that holds anything but numbers, text, containers, arrays, tensors and the boxes of mmdet3d
is refused. Who needs her own objects back reads them with ``pickle`` itself.
"""

from importlib.util import find_spec
from typing import Any

from ..base.safe_reading import PickleMachine, UnreadableError, run
from .dumped_predictions import dumped_names

_SHOWN = 3  # names in a message


def load_pickle(self: Any, file: Any, **kwargs: Any) -> Any:
    """Stands for ``PickleHandler.load_from_fileobj``; the arguments of ``pickle.load`` have no use.

    Raises:
        UnreadableError: If it is damaged or holds objects.
    """
    machine = PickleMachine(file.read(), dumped_names())
    content = run(machine)
    if machine.foreign:
        named = ', '.join(name[:60] for name in list(machine.foreign)[:_SHOWN])
        raise UnreadableError(
            f'the pickle names {named}, expected numbers, text, lists, dicts, arrays, tensors '
            'and boxes alone; nothing of it was run'
        )
    return content


def _yaml_loader() -> type:
    import yaml

    class DataLoader(getattr(yaml, 'CSafeLoader', yaml.SafeLoader)):
        """PyYAML's for data; tuples are what mmengine writes of a config's."""

    DataLoader.add_constructor(
        'tag:yaml.org,2002:python/tuple',
        lambda loader, node: tuple(loader.construct_sequence(node, deep=True)),
    )
    return DataLoader


def apply() -> bool:
    """Put both readers where mmengine looks them up."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.fileio.handlers import PickleHandler, YamlHandler, yaml_handler

    PickleHandler.load_from_fileobj = load_pickle
    if not hasattr(YamlHandler, 'loads_data'):
        YamlHandler.loads_data, yaml_handler.Loader = True, _yaml_loader()
    return True
