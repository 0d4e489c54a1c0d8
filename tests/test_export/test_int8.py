"""Eight bits: the 2D part alone, by channel, near the original, with its metadata."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from projects.SRKD.base import FileInTheWayError, UsageError
from projects.SRKD.export.answered import named_inputs
from projects.SRKD.export.int8 import write_int8
from projects.SRKD.export.measured import output_error
from projects.SRKD.export.onnx_student import OnnxStudent


@pytest.mark.parametrize('name', ['segmentor', 'anchors'])
def test_it_is_near_the_original_and_smaller(exported, name, tmp_path):
    toy, graph, student, path = exported(name)
    out = tmp_path / 'student.int8.onnx'
    scans = [named_inputs(graph, toy.voxels(size)) for size in (300, 250, 200)]
    assert write_int8(path, out, iter(scans)) == 3
    small = OnnxStudent(out, threads=1)
    assert small.about == student.about
    unseen = named_inputs(graph, toy.voxels(280))
    error = output_error([small.run(unseen)], [student.run(unseen)])
    assert 0 < error < 0.05
    assert out.stat().st_size < path.stat().st_size
    check_weights(onnx.load(out))
    check_steps(onnx.load(out))
    with pytest.raises(FileInTheWayError, match='int8.onnx exists: name another file'):
        write_int8(path, out, iter(scans))


def check_weights(model):
    """Every convolution has weights of 8 bits with a scale for each output channel."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    held = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    seen = set()
    for node in model.graph.node:
        if node.op_type in ('Conv', 'ConvTranspose'):
            seen.add(node.op_type)
            source = made_by[node.input[1]]
            assert source.op_type == 'DequantizeLinear', node.name
            weight, scale = (held[name] for name in source.input[:2])
            axis = 0 if node.op_type == 'Conv' else 1
            assert weight.dtype == np.int8 and scale.shape == (weight.shape[axis],)
        if node.op_type in ('MatMul', 'Gemm'):  # of pillars and points
            assert node.input[1] in held and held[node.input[1]].dtype == np.float32
    assert seen == {'Conv', 'ConvTranspose'}


def check_steps(model):
    """No step is spent on what a ReLU cuts, nor on maps that nothing convolves."""
    made_by = {name: node.op_type for node in model.graph.node for name in node.output}
    sources = {made_by[one.input[0]] for one in model.graph.node if one.op_type == 'QuantizeLinear'}
    assert 'Relu' in sources and not sources & {'Conv', 'ConvTranspose'}


def test_calibration_needs_a_scan(exported, tmp_path):
    path = exported('anchors').path
    with pytest.raises(UsageError, match='calibration must have at least 1 scan, but got none'):
        write_int8(path, tmp_path / 'x.onnx', iter(()))
    assert list(tmp_path.iterdir()) == []
