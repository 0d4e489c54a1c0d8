"""A config has the sections that a run needs, each in a form that can be built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from mmengine.config import Config

from ..base import UsageError, UsageTypeError

# What mmengine's runner wants all of, or none.
_SECTIONS = {
    'train': ('train_dataloader', 'train_cfg', 'optim_wrapper'),
    'val': ('val_dataloader', 'val_cfg', 'val_evaluator'),
    'test': ('test_dataloader', 'test_cfg', 'test_evaluator'),
}  # fmt: skip
_OPTIONAL = ('val',)
_RUNNER = (
    'model', 'work_dir', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg',
    'val_cfg', 'test_cfg', 'auto_scale_lr', 'optim_wrapper', 'param_scheduler', 'val_evaluator',
    'test_evaluator', 'default_hooks', 'custom_hooks', 'data_preprocessor', 'load_from', 'resume',
    'launcher', 'env_cfg', 'log_processor', 'log_level', 'visualizer', 'default_scope',
    'randomness', 'custom_imports', 'tta_model', 'tta_pipeline', 'model_wrapper_cfg',
)  # fmt: skip
_ALMOST = 0.9  # likeness of a key to one that the runner reads; pipelines of any name are below
_PARTS = ('pipeline', 'custom_hooks', 'datasets')  # lists of dicts with a type


def check_sections(cfg: Config, splits: Sequence[str]) -> None:
    """Refuse a config without a network, with half of a loop, or with a key that nobody reads.

    A key of the top level that is almost one of the runner's (``train_dataloder``) would be passed
    over, and the value that the base gives would be used.

    Raises:
        UsageError: Naming the key that is missing, or is almost right.
        UsageTypeError: Naming the key whose value is of another form.
    """
    for key in cfg:
        near = get_close_matches(key, _RUNNER, n=1, cutoff=_ALMOST)
        if key not in _RUNNER and near:
            raise UsageError(f'{key}: no part of a run reads this key, nearest: {near[0]}')
    _check_typed(cfg.get('model'), 'model')
    for split in splits:
        _check_split(cfg, split)
    for split in ('train', 'val', 'test'):
        loader = cfg.get(f'{split}_dataloader')
        if loader is not None:
            _check_mapping(loader, f'{split}_dataloader')
            _check_typed(loader.get('dataset'), f'{split}_dataloader.dataset')
            _check_lists(loader, f'{split}_dataloader')
    hooks = cfg.get('custom_hooks') or []
    _check_list(hooks, 'custom_hooks')


def _check_split(cfg: Config, split: str) -> None:
    wanted = _SECTIONS[split]
    missing = [key for key in wanted if cfg.get(key) is None]
    if not missing or split in _OPTIONAL and len(missing) == len(wanted):
        return
    raise UsageError(
        f'{missing[0]} is missing, expected all of {", ".join(wanted)}'
        + (' or none' if split in _OPTIONAL else '')
    )


def _check_lists(node: object, key: str) -> None:
    """Look for pipelines and lists of data sets below a loader."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            if name in _PARTS and value is not None:
                _check_list(value, f'{key}.{name}')
            _check_lists(value, f'{key}.{name}')


def _check_list(value: object, key: str) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise UsageTypeError(f'{key} must be a list of dicts, but got {value!r}')
    for number, part in enumerate(value):
        _check_typed(part, f'{key}[{number}]')


def _check_typed(part: object, key: str) -> None:
    _check_mapping(part, key)
    if 'type' not in part:
        keys = ', '.join(list(part)[:5])
        raise UsageError(f'{key}.type is missing, expected the name of a part beside {keys}')


def _check_mapping(part: object, key: str) -> None:
    if part is None:
        raise UsageError(f'{key} is missing, expected a dict')
    if not isinstance(part, Mapping):
        raise UsageTypeError(f'{key} must be a dict, but got {part!r}')
