"""Calibration sees scans of the training set as the network will see them."""

import numpy as np
import pytest
from toy_export import write_config

from projects.SRKD.analysis.networks import build_network, read_plain
from projects.SRKD.base import UsageError
from projects.SRKD.export.exportable import graph_of
from projects.SRKD.export.scans import inputs_of, training_scans


@pytest.mark.parametrize('count, sizes', [(1, [500]), (2, [500, 300]), (9, [500, 300])])
def test_scans_are_spread_over_the_training_set(tmp_path, count, sizes):
    cfg = read_plain(write_config(tmp_path))
    found = [len(batch['inputs']['points'][0]) for batch in training_scans(cfg, count)]
    assert found == sizes


def test_their_inputs_are_those_of_the_graph(tmp_path):
    cfg = read_plain(write_config(tmp_path))
    network = build_network(cfg)
    graph = graph_of(network)
    (batch,) = training_scans(cfg, 1)
    points = batch['inputs']['points'][0].clone()
    found = inputs_of(network, graph, batch)
    assert list(found) == list(graph.sizes)
    assert len(found['points']) <= 500 and found['points'].dtype == np.float32
    again = inputs_of(network, graph, batch)  # the batch is left as it was
    assert all(np.array_equal(found[name], again[name]) for name in found)
    assert batch['inputs']['points'][0].equal(points)


def test_a_count_that_is_none_is_refused(tmp_path):
    cfg = read_plain(write_config(tmp_path))
    with pytest.raises(UsageError, match='calibrate must be a whole number of at least 1'):
        next(training_scans(cfg, 0))
