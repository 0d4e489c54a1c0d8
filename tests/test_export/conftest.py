"""Toy networks, each exported once."""

from functools import cache
from typing import NamedTuple

import pytest
from mmengine.registry import DefaultScope
from toy_export import CLASSES, Toy, toy

from projects.SRKD.export.about import about
from projects.SRKD.export.exportable import graph_of
from projects.SRKD.export.graphs import Graph
from projects.SRKD.export.onnx_file import write_onnx
from projects.SRKD.export.onnx_student import OnnxStudent


class Exported(NamedTuple):
    """A toy, its graph and the student of its file."""

    toy: Toy
    graph: Graph
    student: OnnxStudent
    path: object


@pytest.fixture(scope='session')
def exported(tmp_path_factory):
    """Export a toy by name."""
    folder = tmp_path_factory.mktemp('exported')

    @cache
    def exported(name: str) -> Exported:
        with DefaultScope.overwrite_default_scope('mmdet3d'):
            one = toy(name)
            graph = graph_of(one.network).eval()
            path = folder / f'{name}.onnx'
            classes = [f'class{i}' for i in range(CLASSES[name])]
            write_onnx(graph, path, about(one.network, graph, classes))
        return Exported(one, graph, OnnxStudent(path, threads=1), path)

    return exported
