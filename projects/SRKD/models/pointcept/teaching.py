"""A teacher that is a file of Pointcept's as it was published, converted when it is loaded.

Shape letters: L classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ...base import UsageError
from ...base.checks import check_choice
from ..inputs import check_inputs
from .benchmarks import BENCHMARKS, Benchmark, inputs_of
from .conversion import fitted
from .names import Prompt, to_ours
from .reading import read_released

_ARGUMENTS = ('type', 'condition', 'conditions', 'inputs', 'voxel_size')


def load_converted(network: nn.Module, path: str, convert: str | Mapping) -> dict[str, Any]:
    """Load a file by Pointcept's names into a network of this project, strictly.

    Args:
        network: A segmentor; receives the weights.
        path: The file.
        convert: ``'pointcept'``, or ``dict(type='pointcept', ...)`` with what the file does not
            say: ``condition``, ``conditions``, ``inputs`` and ``voxel_size``, see
            :class:`~projects.SRKD.models.pointcept.Wanted`.

    Returns:
        What a converted file would hold as ``meta``.

    Raises:
        FileMissingError: If the file does not exist.
        UsageError: If it cannot be converted, does not fit, or ``convert`` is another thing.
    """
    told = dict(type=convert) if isinstance(convert, str) else dict(convert)
    check_choice('type of teacher.convert', told.get('type'), ['pointcept'])
    for key in told:
        check_choice('the arguments of teacher.convert', key, _ARGUMENTS)
    classes = network.decode_head.num_classes
    benchmark = next((one for one in BENCHMARKS.values() if one.classes == classes), None)
    condition = told.get('condition') or (benchmark.condition if benchmark else None)
    source = f'teacher checkpoint {path}'
    prompt = Prompt(condition, tuple(told.get('conditions') or ()))
    named = to_ours(read_released(path, 'teacher checkpoint'), source, classes, prompt)
    network.load_state_dict(fitted(network, named.weights, source), strict=True)
    inputs = told.get('inputs') or _published(network, named.family.name, benchmark)
    meta = dict(inputs=list(check_inputs(inputs, 'inputs of teacher.convert')))
    size = told.get('voxel_size') or (benchmark.voxel_size if benchmark else None)
    return meta if size is None else dict(meta, voxel_size=size)


def _published(network: nn.Module, family: str, benchmark: Benchmark | None) -> tuple[str, ...]:
    first = type(network.backbone).__name__ == 'PublishedPointTransformerV3'
    colors = benchmark is None or 'signed_color' in benchmark.inputs
    if benchmark is None or (family == 'PTv3' and not first and colors):
        raise UsageError(
            'inputs of teacher.convert must name what entered this teacher, as no file says it, '
            'but got none: for example inputs=["color", "normal"] of Pointcept v1.6, '
            'inputs=["signed_color", "normal"] before, ["xyz", "intensity"] for streets'
        )
    return inputs_of(benchmark, family, '1.5.1')
