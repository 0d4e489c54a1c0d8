"""A graph gives what the network's own modules give, and scatters as a loop does."""

import pytest
import torch
from toy_export import CONFIGS, nuscenes, toy
from zoo_detectors import scans

from projects.SRKD.export.exportable import graph_of
from projects.SRKD.export.graphs import named_tensors, refilled, scattered


@pytest.mark.parametrize('name', CONFIGS)
@pytest.mark.parametrize('size', [1, 41, 300])
def test_it_answers_as_the_network_does(name, size):
    one = toy(name)
    graph = graph_of(one.network)
    data = one.network.data_preprocessor(one.scan(size), False)
    with torch.no_grad():
        answer = graph.answer(*graph.inputs(data['inputs']['voxels']))
        if name == 'centers':
            feat = one.network.extract_feat(data['inputs'], [{}])[1]
            wanted = one.network.pts_bbox_head(feat)
        else:
            wanted = one.network._forward(data['inputs'])
    found = graph.unpacked(answer)
    for (_, own), (_, theirs) in zip(named_tensors(found), named_tensors(wanted), strict=True):
        torch.testing.assert_close(own, theirs, rtol=0, atol=1e-6)


def test_rows_beside_the_map_are_classified_as_in_the_network():
    one = toy('segmentor')
    rows = one.voxels(300)['voxels'][:, :2]
    assert (rows[:, 0] > 1.6).any() and (rows[:, 1] > 1.2).any()  # else the test above is void


def test_other_encoders_and_necks_answer_as_in_the_network():
    network = nuscenes()
    graph = graph_of(network)
    batch = scans('pointpillars-nus')
    batch['inputs']['points'] = batch['inputs']['points'][:1]
    inputs = network.data_preprocessor(batch, False)['inputs']
    with torch.no_grad():
        wanted = network.pts_bbox_head(network.extract_feat(inputs, [{}])[1])
        found = graph.unpacked(graph.answer(*graph.inputs(inputs['voxels'])))
    names = [name for name, _ in named_tensors(wanted)]
    assert len(names) == 9
    for (_, own), (_, theirs) in zip(named_tensors(found), named_tensors(wanted), strict=True):
        torch.testing.assert_close(own, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize('count', [0, 1, 5])
def test_pillars_lie_on_the_map_as_a_loop_lays_them(count):
    height, width = 3, 4
    feat = torch.randn(count, 2, dtype=torch.float64)
    cell = torch.tensor([11, 0, 12, 5, 7][:count], dtype=torch.long)  # 12: beside the map
    wanted = torch.zeros(1, 2, height, width, dtype=torch.float64)
    for row, place in zip(feat, cell.tolist()):
        if place < height * width:
            wanted[0, :, place // width, place % width] = row
    assert torch.equal(scattered(feat, cell, height, width), wanted)


def test_nested_answers_are_taken_apart_and_put_together():
    nested = ([dict(a=torch.zeros(1), b=None)], torch.ones(2))
    names, tensors = zip(*named_tensors(nested))
    assert names == ('0.0.a', '1')
    again = refilled(nested, iter([tensor + 1 for tensor in tensors]))
    assert type(again) is tuple and again[0][0]['b'] is None
    assert again[0][0]['a'].tolist() == [1] and again[1].tolist() == [2, 2]


@pytest.mark.parametrize('name', CONFIGS)
def test_the_example_has_the_shapes_of_scans(name):
    one = toy(name)
    graph = graph_of(one.network)
    for given, own in zip(graph.inputs(one.voxels(41)), graph.example(), strict=True):
        assert given.dtype == own.dtype and given.shape[1:] == own.shape[1:]
