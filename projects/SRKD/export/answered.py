"""A network of mmdet3d whose tensors come from an ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from .graphs import Graph, named_tensors, refilled

Run = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]
"""Inputs by name to outputs by name; :meth:`OnnxStudent.run` is one."""


def named_inputs(graph: Graph, voxels: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Inputs of an ONNX file out of what a data preprocessor made of one scan."""
    return {name: value.numpy() for name, value in zip(graph.sizes, graph.inputs(voxels))}


@contextmanager
def answered_by(network: nn.Module, graph: Graph, run: Run) -> Iterator[None]:
    """Let ``network.test_step`` ask ``run``; voxels, decoding and suppression stay its own.

    One scan at a time. What is put in place lies on the instance and goes at the end.

    Args:
        network: What ``graph`` was made of.
        graph: Says the order of the inputs and the nesting of the outputs.
        run: Answers instead of the graph, and without the network's head, which asks it.
    """
    head_name = next(
        name for name in ('pts_bbox_head', 'bbox_head', 'decode_head') if hasattr(network, name)
    )
    head = getattr(network, head_name)
    with torch.no_grad():
        nesting = graph.answer(*graph.example())
    names = [name for name, _ in named_tensors(nesting)]

    def extract_feat(batch: Mapping, *_: object, **__: object) -> object:
        voxels = batch['voxels']
        return (None, voxels) if head_name == 'pts_bbox_head' else voxels

    def forward(voxels: Mapping[str, Tensor]) -> object:
        outputs = run(named_inputs(graph, voxels))
        return graph.unpacked(
            refilled(nesting, iter([torch.from_numpy(outputs[name]) for name in names]))
        )

    network.extract_feat, head.forward = extract_feat, forward
    try:
        yield
    finally:
        del network.extract_feat, head.forward
