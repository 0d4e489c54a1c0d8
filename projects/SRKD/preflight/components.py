"""The parts a config names by ``type``, each with its place and the class it will become."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmdet3d import registry as mmdet3d
from mmengine.config import Config
from mmengine.registry import FUNCTIONS, WEIGHT_INITIALIZERS, Registry

from ..evaluation import SUBMISSION_FORMATS
from ..losses.pointdistiller.weights import WEIGHTS
from ..losses.srkd.partitions import PARTITIONS

_LOADER = (mmdet3d.DATASETS, mmdet3d.TRANSFORMS, mmdet3d.DATA_SAMPLERS, FUNCTIONS)


def _registry(name: str, kinds: Mapping[str, type]) -> Registry:
    """Parts of losses, which know no registry, as one."""
    registry = Registry(name, scope='mmdet3d')
    for kind in kinds.values():
        registry.register_module(module=kind)
    return registry


# Section of a config -> registries its types may come from, the likeliest first.
_SECTIONS: dict[str, tuple[Registry, ...]] = {
    'model': (mmdet3d.MODELS, mmdet3d.TASK_UTILS, WEIGHT_INITIALIZERS),
    'tta_model': (mmdet3d.MODELS,),
    'tta_pipeline': (mmdet3d.TRANSFORMS,),
    'train_dataloader': _LOADER,
    'val_dataloader': _LOADER,
    'test_dataloader': _LOADER,
    'optim_wrapper': (mmdet3d.OPTIM_WRAPPERS, mmdet3d.OPTIMIZERS),
    'param_scheduler': (mmdet3d.PARAM_SCHEDULERS,),
    'train_cfg': (mmdet3d.LOOPS,),
    'val_cfg': (mmdet3d.LOOPS,),
    'test_cfg': (mmdet3d.LOOPS,),
    'val_evaluator': (mmdet3d.METRICS, mmdet3d.EVALUATOR),
    'test_evaluator': (mmdet3d.METRICS, mmdet3d.EVALUATOR),
    'default_hooks': (mmdet3d.HOOKS,),
    'custom_hooks': (mmdet3d.HOOKS,),
    'visualizer': (mmdet3d.VISUALIZERS, mmdet3d.VISBACKENDS),
    'log_processor': (mmdet3d.LOG_PROCESSORS,),
}  # fmt: skip
# What mmengine builds where a section names no type.
_DEFAULTS = dict(
    val_cfg='ValLoop', test_cfg='TestLoop', optim_wrapper='OptimWrapper',
    log_processor='LogProcessor',
)  # fmt: skip
# Keys whose types come from one registry alone, wherever they stand.
_KEYS: dict[str, tuple[Registry, ...]] = {
    'dataset': (mmdet3d.DATASETS,),
    'pipeline': (mmdet3d.TRANSFORMS,),
    'optimizer': (mmdet3d.OPTIMIZERS,),
    'init_cfg': (WEIGHT_INITIALIZERS,),
    'config': (mmdet3d.MODELS, mmdet3d.TASK_UTILS, WEIGHT_INITIALIZERS),  # of a teacher
    'vis_backends': (mmdet3d.VISBACKENDS,),
    'submission': (SUBMISSION_FORMATS,),
    'balance': (mmdet3d.TASK_UTILS,),
    'partition': (_registry('partition', PARTITIONS),),
    'weights': (_registry('anchor weight', WEIGHTS),),
}
# Key of a part that a builder function makes -> arguments that the function takes off first.
BUILDERS: dict[str, tuple[str, ...]] = {
    'norm_cfg': ('requires_grad',),
    'conv_cfg': (),
    'act_cfg': (),
    'upsample_cfg': (),
    'dcn': ('fallback_on_stride',),
    'init_cfg': ('override', 'name'),
}
# Free-form, or built by other means than a registry (attributes of mmcv.ops, lists of their own).
_OTHERS = (
    'metainfo', 'roi_layer', 'sa_cfg', 'vote_aggregation_cfg', 'suface_matching_cfg',
    'line_matching_cfg', 'primitive_list', 'voxel_sa_cfgs_list', 'nms', 'nms_cfg',
)  # fmt: skip


@dataclass(frozen=True)
class Component:
    """A dict with a ``type``.

    Attributes:
        key: Dotted place in the config, e.g. ``train_dataloader.dataset.pipeline[2]``.
        config: The dict.
        built: Class or function that will be called; None if no registry knows the type.
        registry: Where it was found, or would be looked for first.
        builder: Key of :data:`BUILDERS` whose function stands between the dict and the class, which
            adds arguments of its own (widths, kernels); '' where a registry builds it.
    """

    key: str
    config: Mapping
    built: Any
    registry: Registry
    builder: str = ''


def components(cfg: Config) -> Iterator[Component]:
    """Walk the sections that a runner builds and yield what they name, outer parts first."""
    for section, registries in _SECTIONS.items():
        yield from _walk(_typed(section, cfg.get(section)), section, registries, 'mmdet3d', '')


def _typed(section: str, node: Any) -> Any:
    """A section with the type that mmengine takes where it names none."""
    if not isinstance(node, Mapping) or 'type' in node:
        return node
    kind = _DEFAULTS.get(section)
    if section == 'train_cfg':
        kind = 'EpochBasedTrainLoop' if node.get('by_epoch', True) else 'IterBasedTrainLoop'
    return node if kind is None else {**node, 'type': kind}


def _typed_term(term: Any) -> Any:
    return {'type': 'DistillTerm', **term} if isinstance(term, Mapping) else term


def _typed_sampler(sampler: Any) -> Any:
    """With the type that ``ObjectSample`` takes where none is named."""
    return {'type': 'DataBaseSampler', **sampler} if isinstance(sampler, Mapping) else sampler


def _walk(
    node: Any, key: str, registries: tuple[Registry, ...], scope: str, builder: str
) -> Iterator[Component]:
    if isinstance(node, Mapping):
        scope = node.get('_scope_') or scope
        if 'type' in node:
            yield _component(node, key, registries, scope, builder)
        for name, value in node.items():
            if name == 'terms' and isinstance(value, Mapping):
                value = {term: _typed_term(each) for term, each in value.items()}
            if name not in _OTHERS:
                value = _typed_sampler(value) if name == 'db_sampler' else value
                inner = _KEYS.get(name, registries)
                made_by = name if name in BUILDERS else '' if name in _KEYS else builder
                yield from _walk(value, f'{key}.{name}', inner, scope, made_by)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for number, value in enumerate(node):
            yield from _walk(value, f'{key}[{number}]', registries, scope, builder)


def _component(
    node: Mapping, key: str, registries: tuple[Registry, ...], scope: str, builder: str
) -> Component:
    kind = node['type']
    if not kind or not isinstance(kind, str):
        built = kind if callable(kind) else None
        return Component(key, node, built, registries[0], builder)
    for registry in registries:
        with registry.switch_scope_and_registry(scope) as scoped:
            built = scoped.get(kind)
        if built is not None:
            return Component(key, node, built, registry, builder)
    return Component(key, node, None, registries[0], builder)
