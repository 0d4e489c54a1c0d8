"""A file of Pointcept's as a network of this project: weights, config and what it was fed.

Shape letters: L classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from torch import Tensor, nn

from ...base import UsageError
from ...base.checks import check_choice, check_positive
from ...base.shipped import configs
from ...ops.spconv_layout import to_spconv2
from ..inputs import check_inputs, width_of
from ..weights import compare_weights, wrong_weights
from .architecture import architecture
from .benchmarks import BENCHMARKS, RELEASES, Benchmark, benchmark_of, inputs_of
from .names import Named, Note, Prompt, to_ours
from .reading import read_released

_BASES = {'PTv3': 'ptv3', 'LitePT': 'litept_s', 'CDSegNet': 'cdsegnet'}
_COLUMNS = {'signed_color': 'color'}


@dataclass(frozen=True)
class Wanted:
    """What a file does not say of itself.

    Attributes:
        dataset: A name of :data:`BENCHMARKS`; None: told by the number of classes.
        release: A version of :data:`RELEASES`; PTv3 needs it.
        inputs: What entered the network, in order; empty: as published.
        voxel_size: Edge of its voxels, meters; None: as published.
        prompt: Which data set of several is kept.
        backbone: Arguments of the backbone that no shape tells, from a config.
    """

    dataset: str | None = None
    release: str | None = None
    inputs: tuple[str, ...] = ()
    voxel_size: float | None = None
    prompt: Prompt = Prompt()
    backbone: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversion:
    """A network of this project.

    Attributes:
        weights: Its parameters.
        model: Its model config, complete but for what the base config says.
        bases: Base configs it builds on.
        notes: What became of each parameter of the file.
        meta: What is stored beside the weights.
    """

    weights: dict[str, Tensor]
    model: dict[str, Any]
    bases: tuple[str, ...]
    notes: list[Note]
    meta: dict[str, Any]


def convert(path: str, wanted: Wanted = Wanted(), name: str = 'checkpoint') -> Conversion:
    """Convert a file of PTv3, LitePT or CDSegNet.

    Args:
        path: ``.pth`` or ``.safetensors``.
        wanted: What the file does not say.
        name: What the file is called in a message.

    Raises:
        FileMissingError: If the file does not exist.
        UsageError: If it holds no such network, or a shape or a count is not what it must be.
    """
    source = f'{name} {path}'
    if wanted.dataset is not None:
        check_choice('dataset', wanted.dataset, BENCHMARKS)
    classes = BENCHMARKS[wanted.dataset].classes if wanted.dataset else None
    named = to_ours(read_released(path, name), source, classes, wanted.prompt)
    heads = (f'decode_head.conv_seg.{name}' for name in ('weight', 'embedding'))
    head = next(named.weights[key] for key in heads if key in named.weights)
    dataset, benchmark = benchmark_of(wanted.dataset, len(head))
    if wanted.voxel_size is not None:
        check_positive(voxel_size=wanted.voxel_size)
        benchmark = replace(benchmark, voxel_size=wanted.voxel_size)
    inputs = _inputs(named, benchmark, wanted)
    model = _model(named, benchmark, inputs, wanted)
    network = _skeleton(model, _BASES[named.family.name])
    weights = fitted(network, named.weights, source)
    data = Config.fromfile(configs(f'_base_/datasets/{benchmark.data}.py'))
    return Conversion(
        weights,
        model,
        (
            f'_base_/models/{_BASES[named.family.name]}.py',
            f'_base_/datasets/{benchmark.data}.py',
            f'_base_/schedules/{benchmark.schedule}.py',
            '_base_/default_runtime.py',
        ),
        named.notes,
        dict(
            dataset_meta=dict(classes=tuple(data.class_names)),
            inputs=list(inputs),
            voxel_size=benchmark.voxel_size,
            converted=dict(
                file=Path(path).name, family=named.family.name, dataset=dataset,
                release=wanted.release,
            ),
        ),
    )  # fmt: skip


def fitted(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """Weights in the layout of a network's kernels.

    Raises:
        UsageError: If a parameter is missing, one too many, of another shape or not finite.
    """
    report = compare_weights(network, weights)
    if report.unexpected or not report.fills:
        raise UsageError(f'{source} does not fit {report.network}: {report}')
    own = network.state_dict()
    fitting = {key: to_spconv2(value, own[key].shape) for key, value in weights.items()}
    wrong = wrong_weights(fitting)
    if wrong:
        raise UsageError(
            f'weights must be finite, but got {source} with NaN or infinity in {wrong[0]}'
        )
    return fitting


def _inputs(named: Named, benchmark: Benchmark, wanted: Wanted) -> tuple[str, ...]:
    if named.family.name == 'PTv3' and wanted.release not in RELEASES:
        told = '; '.join(f'{version}: {what}' for version, what in RELEASES.items())
        raise UsageError(
            f'release must say which Pointcept trained this PTv3, for its structure and colors '
            f'changed and its parameters did not, but got {wanted.release}: {told}'
        )
    inputs = check_inputs(wanted.inputs, 'inputs') or inputs_of(
        benchmark, named.family.name, wanted.release
    )
    stem = named.weights['backbone.embedding.stem.conv.weight']
    taken = stem.shape[3] if tuple(stem.shape[:3]) == (5, 5, 5) else stem.shape[-1]
    if width_of(inputs) != taken:
        raise UsageError(
            f'the network takes {taken} columns, but inputs {", ".join(inputs)} are '
            f'{width_of(inputs)}: say what it was trained with'
        )
    return inputs


def _model(
    named: Named, benchmark: Benchmark, inputs: tuple[str, ...], wanted: Wanted
) -> dict[str, Any]:
    kind = named.family.name
    first = kind == 'PTv3' and wanted.release == '1.5.1'
    older = kind == 'CDSegNet' or (kind == 'PTv3' and wanted.release != '1.6')
    types = dict(PTv3='PointTransformerV3', LitePT='LitePT', CDSegNet='CDSegNet')
    backbone = dict(
        type='PublishedPointTransformerV3' if first else types[kind],
        **architecture(named.weights, named.family, wanted.backbone),
        depth='floor' if older else None,
    )
    count = benchmark.classes
    head = dict(channels=backbone['dec_channels'][0], num_classes=count, ignore_index=count)
    if named.text_channels is not None:
        head |= dict(type='AlignedSegHead', embed_channels=named.text_channels)
    voxels = dict(voxel_size=benchmark.voxel_size)
    if inputs[0] != 'xyz' or 'signed_color' in inputs:
        columns = dict.fromkeys(['xyz', *(_COLUMNS.get(name, name) for name in inputs)])
        voxels |= dict(type='ChosenInputsPreprocessor', columns=list(columns), inputs=list(inputs))
    return dict(data_preprocessor=voxels, backbone=backbone, decode_head=head)


def _skeleton(model: Mapping[str, Any], base: str) -> nn.Module:
    """The network without memory: only its shapes are looked at."""
    whole = Config.fromfile(configs(f'_base_/models/{base}.py'))
    whole.merge_from_dict(dict(model=dict(decode_head=dict(model['decode_head']))))
    whole.model.backbone = dict(model['backbone'])
    whole.model.pop('data_preprocessor')
    with torch.device('meta'):
        return MODELS.build(whole.model)
