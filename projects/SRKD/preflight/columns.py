"""The columns of the points that a pipeline loads against those that the network takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet3d.registry import TRANSFORMS
from mmengine.config import Config

from ..base import UsageError
from ..datasets.class_names import inner_datasets
from ..distill.teacher import teacher_config
from ..models.inputs import is_choosing, width_of
from .widths import Width, argument

# Argument that says how many columns enter a network's first part.
_FIRST = {
    'PillarFeatureNet': 'in_channels', 'HardVFE': 'in_channels', 'DynamicVFE': 'in_channels',
    'HardSimpleVFE': 'num_features', 'MinkUNetBackbone': 'in_channels',
    'PointTransformerV3': 'in_channels', 'LitePT': 'in_channels',
    'PointPillarsSegBackbone': 'in_channels', 'PointNet2SAMSG': 'in_channels',
}  # fmt: skip
_CUTS = ('HardSimpleVFE',)  # take the first columns of more
_LOADERS = ('LoadPointsFromFile', 'LoadPointsChecked', 'LoadPointsFromMultiSweeps')
_KNOWN = ('mmdet3d.', 'mmcv.', 'mmdet.', 'projects.SRKD.')
_CHANGING = ('LoadPointsFromDict', 'IndoorPatchPointSample', 'MultiScaleFlipAug3D', 'TestTimeAug')


def check_columns(cfg: Config, splits: Sequence[str]) -> None:
    """Refuse pipelines whose points have other columns than the network takes.

    Passed over are networks of other kinds, and pipelines with steps of one's own, which may add
    columns.

    Raises:
        UsageError: With both keys and both numbers.
    """
    model = cfg.get('model')
    if not isinstance(model, Mapping) or 'type' not in model:
        return
    roles = {'model.student' if 'student' in model else 'model': teacher_config(model)}
    teacher = model.get('teacher')
    if isinstance(teacher, Mapping) and teacher.get('config'):
        roles['the model of model.teacher.config'] = teacher_config(teacher['config'])
    pipelines = [
        (dataset.get('pipeline'), f'the pipeline of {split}_dataloader')
        for split in splits
        for dataset in inner_datasets((cfg.get(f'{split}_dataloader') or {}).get('dataset'))
    ]
    for pipeline, place in pipelines:
        given = _loaded(pipeline, place)
        for role, network in roles.items():
            taken = _taken(network, role)
            if given is None or taken is None:
                continue
            key, wanted, kind = taken
            if not (given.value >= wanted if kind in _CUTS else given.value == wanted):
                raise UsageError(
                    f'{given.key} gives points of {given.value} columns, but {key} takes {wanted}: '
                    'both must be equal'
                )


def _taken(network: Mapping, role: str) -> tuple[str, int, str] | None:
    preprocessor = network.get('data_preprocessor') or {}
    if is_choosing(preprocessor):
        return f'{role}.data_preprocessor.columns', width_of(preprocessor['columns']), ''
    for part in ('voxel_encoder', 'pts_voxel_encoder', 'backbone'):
        if network.get(part) is None:
            continue
        for kind, name in _FIRST.items():
            value = argument(network[part], kind, name)
            if value is not None and not (kind == 'PointNet2SAMSG' and 'decode_head' in network):
                return f'{role}.{part}.{name}', value, kind
        return None
    return None


def _loaded(pipeline: Any, place: str) -> Width | None:
    """Columns behind the loading steps; None where a step may change them."""
    found = None
    for step in pipeline or ():
        kind = step.get('type') if isinstance(step, Mapping) else None
        built = TRANSFORMS.get(kind) if isinstance(kind, str) else kind
        kind = kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')
        known = getattr(built, '__module__', '').startswith(_KNOWN)
        if not known or kind in _CHANGING:
            return None
        if kind in _LOADERS:
            use = step.get('use_dim', [0, 1, 2, 4] if 'Sweeps' in kind else [0, 1, 2])
            count = use if isinstance(use, int) else len(use)
            count += bool(step.get('shift_height'))
            found = Width(f'use_dim of {kind} in {place}', count)
        if kind == 'AddNormals' and found is not None:
            found = Width(f'{found.key}, with AddNormals,', found.value + 3)
        if kind == 'ObjectSample':
            _check_pasted(step.get('db_sampler') or {}, found)
    return found


def _check_pasted(sampler: Mapping, loaded: Width | None) -> None:
    """Pasted points have the columns of the scan's."""
    loader = sampler.get('points_loader') or {}
    use = loader.get('use_dim', [0, 1, 2] if loader else [0, 1, 2, 3])  # mmdet3d's defaults
    count = use if isinstance(use, int) else len(use)
    if loaded is not None and count != loaded.value:
        raise UsageError(
            f'{loaded.key} gives points of {loaded.value} columns, but use_dim of points_loader in '
            f'db_sampler gives those that ObjectSample pastes {count}: both must be equal'
        )
