"""What is written answers as torch does, for scans of any size, and boxes are the detector's."""

import json
import logging

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from toy_export import CONFIGS

from projects.SRKD.base import FileInTheWayError, UsageError
from projects.SRKD.base.packages import PackageMissingError
from projects.SRKD.export.answered import answered_by, named_inputs
from projects.SRKD.export.graphs import Graph
from projects.SRKD.export.onnx_file import write_onnx


@pytest.mark.parametrize('name', CONFIGS)
@pytest.mark.parametrize('size', [37, 300])
def test_it_answers_as_torch_does(exported, name, size):
    toy, graph, student, _ = exported(name)
    voxels = toy.voxels(size)
    with torch.no_grad():
        wanted = graph(*graph.inputs(voxels))
    found = student.run(named_inputs(graph, voxels))
    assert len(found) == len(wanted)
    for own, theirs in zip(found.values(), wanted):
        assert np.abs(theirs.numpy()).max() > 0.01
        np.testing.assert_allclose(own, theirs.numpy(), rtol=0, atol=1e-4)


@pytest.mark.parametrize('name', ['anchors', 'centers'])
@pytest.mark.parametrize('size', [37, 300])
def test_boxes_of_its_maps_are_those_of_the_detector(exported, name, size):
    toy, graph, student, _ = exported(name)
    with torch.no_grad():
        wanted = toy.network.test_step(toy.scan(size))[0].pred_instances_3d
        with answered_by(toy.network, graph, student.run):
            found = toy.network.test_step(toy.scan(size))[0].pred_instances_3d
    assert len(wanted) > 3 and torch.equal(found.labels_3d, wanted.labels_3d)
    near = dict(rtol=0, atol=1e-3)
    torch.testing.assert_close(found.bboxes_3d.tensor, wanted.bboxes_3d.tensor, **near)
    torch.testing.assert_close(found.scores_3d, wanted.scores_3d, **near)


@pytest.mark.parametrize('name', CONFIGS)
def test_numbers_of_pillars_and_points_are_free_and_the_file_is_one(exported, name):
    _, graph, student, path = exported(name)
    shapes = {one.name: one.shape for one in student.session.get_inputs()}
    assert {key: shape[0] for key, shape in shapes.items()} == dict(graph.sizes)
    model = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(model)
    assert not [one.name for one in model.graph.initializer if one.external_data]
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(told['srkd']) == student.about


def test_a_file_is_not_replaced(exported):
    _, graph, _, path = exported('anchors')
    with pytest.raises(FileInTheWayError, match='anchors.onnx exists: name another file'):
        write_onnx(graph, path, {})


class Odd(Graph):
    """``torch.histc`` has no ONNX form."""

    sizes = dict(x='rows')

    def answer(self, x):
        return dict(y=torch.histc(x, 4))

    def example(self, rows=8):
        return (torch.rand(rows),)


def test_an_operator_without_an_onnx_form_is_named(tmp_path):
    before = logging.getLogger('torch.onnx').level
    with pytest.raises(UsageError, match=r'operators that ONNX has, but got .*histc'):
        write_onnx(Odd().eval(), tmp_path / 'odd.onnx', {})
    assert list(tmp_path.iterdir()) == [] and logging.getLogger('torch.onnx').level == before


def test_a_package_that_is_missing_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'onnxscript', None)
    with pytest.raises(PackageMissingError, match='pip install onnxscript'):
        write_onnx(Odd(), tmp_path / 'odd.onnx', {})


def test_graphs_say_what_they_leave_open():
    for call in (Graph().example, lambda: Graph().inputs({}), lambda: Graph().answer(1)):
        with pytest.raises(NotImplementedError):
            call()
    assert isinstance(Graph(), nn.Module)
