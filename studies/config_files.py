"""Config files read for what they say: their content, and options that move their data."""

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from mmengine.config import Config

_READING = Lock()  # mmengine imports a config under a temporary name: one at a time


def config_content(config: str | Path) -> dict:
    """Everything a config says, its bases merged, without importing its modules."""
    with _READING:
        return Config.fromfile(config, import_custom_modules=False)._cfg_dict.to_dict()


def replaced_root(content: Any, old: str, new: str, prefix: str = '') -> dict[str, str]:
    """Options that move every path below one folder to another.

    Args:
        content: Config content: nested dicts and lists.
        old: Folder the paths start with.
        new: Folder they shall start with.
        prefix: Dotted key of ``content``.

    Returns:
        Dotted keys and their new values, as ``--cfg-options`` takes them.

    Example:
        >>> replaced_root({'loader': {'data_root': 'data/x/'}}, 'data/x', 'data/y')
        {'loader.data_root': 'data/y/'}
    """
    if isinstance(content, str):
        inside = content.rstrip('/') == old.rstrip('/') or content.startswith(old.rstrip('/') + '/')
        return {prefix: new.rstrip('/') + content[len(old.rstrip('/')) :]} if inside else {}
    if isinstance(content, Mapping):
        items = content.items()
    elif isinstance(content, (list, tuple)):
        items = enumerate(content)
    else:
        return {}
    found: dict[str, str] = {}
    for key, value in items:
        found |= replaced_root(value, old, new, f'{prefix}.{key}' if prefix else str(key))
    return found


def data_options(config: Path, root: Path) -> dict[str, Any]:
    """``--cfg-options`` that make a config read the data below another root.

    Raises:
        KeyError: If the config's test set names no ``data_root``.
    """
    content = config_content(config)
    old = content['test_dataloader']['dataset']['data_root']
    options: dict[str, Any] = {}
    for key, value in content.items():
        if key.startswith(('train_', 'val_', 'test_')):
            options |= replaced_root(value, old, str(root), key)
    return options
