"""What a network was fed, as its file says, against what this run feeds it.

A file that loads strictly may have seen other columns: color and normals where the run gives
coordinates and color, both six numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..base import UsageError
from ..datasets.class_names import inner_datasets
from ..distill import DistillModel
from ..distill.teacher import teacher_config
from ..models.inputs import is_choosing
from ..models.weights import read_checkpoint
from .classes import transforms
from .feature_ranges import FEATURE_RANGES


def check_inputs_of_run(runner: Runner) -> None:
    """Refuse a teacher, or weights to start from, that were trained on other inputs or voxels.

    Files that say nothing of their inputs are passed over, and pipelines whose columns are not
    known.

    Raises:
        UsageError: With both lists of inputs, or both edges of a voxel.
    """
    cfg, model = runner.cfg, runner.model
    model = model.module if is_model_wrapper(model) else model
    if isinstance(model, DistillModel):
        source = f'teacher checkpoint {model.teacher.checkpoint}'
        _check(model.teacher.meta, source, model.teacher.config, cfg)
    source = cfg.get('load_from')
    if source and '://' not in str(source) and isinstance(cfg.get('model'), Mapping):
        meta = read_checkpoint(str(source), 'load_from')[1]
        _check(meta, f'load_from {source}', teacher_config(cfg.model), cfg)


def _check(meta: Mapping, source: str, network: Mapping, cfg: Config) -> None:
    preprocessor = network.get('data_preprocessor') or {}
    trained = meta.get('inputs')
    if trained is not None:
        for place, given in _given(preprocessor, cfg):
            if list(given) != list(trained):
                raise UsageError(
                    f'{source} was trained on the inputs {", ".join(trained)}, but {place} gives '
                    f'{", ".join(given)}: take the config that was written with it, or '
                    "data_preprocessor=dict(type='ChosenInputsPreprocessor', inputs=...) and "
                    'AddNormals (docs/official_weights.md)'
                )
    edge, size = meta.get('voxel_size'), preprocessor.get('voxel_size')
    own = [float(s) for s in (size if isinstance(size, (list, tuple)) else [size])] if size else []
    if edge is not None and any(abs(one - edge) > 0.01 * edge for one in own):
        raise UsageError(
            f'{source} was trained on voxels of {edge} m, but data_preprocessor.voxel_size is '
            f'{size}: both must be equal'
        )


def _given(preprocessor: Mapping, cfg: Config) -> Iterator[tuple[str, Sequence[str]]]:
    """Places that feed the network, and what they feed it."""
    chooses = is_choosing(preprocessor)
    for split in ('train', 'val', 'test'):
        for dataset in inner_datasets((cfg.get(f'{split}_dataloader') or {}).get('dataset')):
            columns = columns_of_pipeline(dataset)
            if columns is None:
                continue
            place = f'the pipeline of {split}_dataloader'
            if not chooses:
                yield place, columns
            elif columns != tuple(preprocessor['columns']):
                raise UsageError(
                    f'{place} gives the columns {", ".join(columns)}, but '
                    f'data_preprocessor.columns are {", ".join(preprocessor["columns"])}: both '
                    'must be equal'
                )
    if chooses:
        yield 'data_preprocessor.inputs', preprocessor['inputs']


def columns_of_pipeline(dataset: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the columns of a data set's points, see :data:`~projects.SRKD.models.inputs.WIDTHS`.

    Args:
        dataset: Its config.

    Returns:
        A name with its scale, such as ``intensity up to 255``, where it is none of the known; None
        where the columns are not known.
    """
    columns: list[str] = []
    kind = str(dataset.get('type')).rpartition('.')[2]
    greatest = FEATURE_RANGES.get(kind, {}).get(3, (0.0, 1.0))[1]
    for step in transforms(dataset.get('pipeline')):
        name = str(step.get('type')).rpartition('.')[2]
        if name.startswith('LoadPointsFrom') and not columns:
            use = step.get('use_dim', [0, 1, 2])
            use = list(range(use)) if isinstance(use, int) else list(use)
            if use[:3] != [0, 1, 2]:
                return None
            if step.get('use_color') and use == [0, 1, 2, 3, 4, 5]:
                columns = ['xyz', 'color up to 255']
            elif use == [0, 1, 2, 3]:
                columns = ['xyz', 'intensity' if greatest == 1 else f'intensity up to {greatest:g}']
            elif use == [0, 1, 2]:
                columns = ['xyz']
            else:
                return None
        elif name == 'NormalizePointsColor' and not step.get('color_mean'):
            columns = ['color' if one == 'color up to 255' else one for one in columns]
        elif name == 'DivideIntensity' and len(columns) == 2:
            scale = greatest / step.get('divisor', 255.0)
            columns[1] = 'intensity' if scale == 1 else f'intensity up to {scale:g}'
        elif name == 'AddNormals' and 'normal' not in columns:
            columns.append('normal')
    return tuple(columns) or None
