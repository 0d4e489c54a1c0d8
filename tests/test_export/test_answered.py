"""A network asks what is put in its place, and is itself again afterwards."""

import copy

import numpy as np
import pytest
import torch
from toy_export import CONFIGS, toy

from projects.SRKD.export.answered import answered_by, named_inputs
from projects.SRKD.export.exportable import graph_of
from projects.SRKD.export.student_out import in_torch


@pytest.mark.parametrize('name', CONFIGS)
def test_the_network_decodes_what_it_is_given(name):
    one = toy(name)
    graph = graph_of(one.network)
    apart = graph_of(copy.deepcopy(one.network))  # the head itself will be told to ask
    asked = []

    def run(inputs):
        asked.append(inputs)
        return in_torch(apart, inputs)

    scan = lambda: one.scan(200)  # noqa: E731 - a test step edits its batch
    with torch.no_grad():
        wanted = one.network.test_step(scan())[0]
        with answered_by(one.network, graph, run):
            found = one.network.test_step(scan())[0]
        again = one.network.test_step(scan())[0]
    assert len(asked) == 1 and list(asked[0]) == list(graph.sizes)
    expected = named_inputs(graph, one.voxels(200))
    assert all(np.array_equal(asked[0][key], value) for key, value in expected.items())
    for other in (found, again):
        if name == 'segmentor':
            pairs = [(other.pts_seg_logits.pts_seg_logits, wanted.pts_seg_logits.pts_seg_logits)]
        else:
            own, theirs = other.pred_instances_3d, wanted.pred_instances_3d
            pairs = [(own.bboxes_3d.tensor, theirs.bboxes_3d.tensor)]
        for own, theirs in pairs:
            torch.testing.assert_close(own, theirs, rtol=0, atol=1e-5)


def test_the_network_is_itself_again_after_an_error():
    one = toy('anchors')
    graph = graph_of(one.network)
    with pytest.raises(ZeroDivisionError), answered_by(one.network, graph, lambda inputs: 1 / 0):
        one.network.test_step(one.scan(40))
    assert 'extract_feat' not in vars(one.network)
    assert 'forward' not in vars(one.network.bbox_head)
