"""Writing a graph as one ONNX file."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ..base import FileInTheWayError, UsageError, write_whole
from ..base.packages import needed
from .graphs import Graph, named_tensors
from .onnx_student.student import KEY

OPSET = 20
"""Of ONNX: the first with ``GridSample`` as torch's exporter writes it."""


def check_free(*paths: Path) -> None:
    """Refuse to replace a file.

    Raises:
        FileInTheWayError: Names the first that exists.
    """
    for path in paths:
        if path.exists():
            raise FileInTheWayError(f'{path} exists: name another file, or remove it')


def write_onnx(graph: Graph, out: Path, about: Mapping[str, Any]) -> None:
    """Export a graph, weights inside, number of pillars and points free.

    Args:
        graph: In eval mode, on the CPU.
        out: File to write; its folder must exist.
        about: Stored as JSON beside the graph.

    Raises:
        FileInTheWayError: If the file exists.
        UsageError: If torch cannot write one of the operators.
        PackageMissingError: If onnx or onnxscript is not installed.
    """
    check_free(out)
    needed('onnx')
    needed('onnxscript')
    inputs = graph.example()
    with torch.no_grad():
        names = [name for name, _ in named_tensors(graph.answer(*inputs))]
    axes = {size: torch.export.Dim(size) for size in graph.sizes.values()}
    with _quiet():
        try:
            program = torch.onnx.export(
                graph,
                inputs,
                input_names=list(graph.sizes),
                output_names=names,
                # positional: forward takes *inputs
                dynamic_shapes=(tuple({0: axes[size]} for size in graph.sizes.values()),),
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        except torch.onnx.OnnxExporterError as error:
            raise UsageError(_reason(error)) from error
    program.model.metadata_props[KEY] = json.dumps(about)
    with write_whole(out) as part:
        program.save(part, external_data=False)


def _reason(error: Exception) -> str:
    """The innermost cause, whose first line names the operator."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f'network must be made of operators that ONNX has, but got {said.strip()}'


@contextmanager
def _quiet() -> Iterator[None]:
    """What the exporter says to its developers."""
    logger = logging.getLogger('torch.onnx')
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(before)
