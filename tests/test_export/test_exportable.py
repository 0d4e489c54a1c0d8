"""Networks of pillars have a graph; the others end in a sentence that names their operator."""

import re
from pathlib import Path

import pytest
import toy
import zoo_detectors as zoo
from toy_detectors import pointpillars

from projects.SRKD.base import UsageError
from projects.SRKD.export.exportable import INSTEAD, graph_of
from projects.SRKD.export.graphs import DetectorGraph

ROOT = Path(__file__).parents[2]
REFUSED = {
    'second': 'VoxelNet whose middle_encoder.* is a SubMConv3d, sparse convolution',
    'centerpoint-voxel': 'CenterPoint whose pts_middle_encoder.*SubMConv3d, sparse convolution',
    'dynamic': 'DynamicVoxelNet whose voxel_encoder.* is a DynamicScatter, dynamic scatter',
    'point-rcnn': 'PointRCNN whose backbone.*farthest point sampling and ball query',
}


@pytest.mark.parametrize('name', REFUSED)
def test_a_detector_without_onnx_operators_is_refused(name):
    config = zoo.small(name) if name in zoo.ON_CPU else zoo.teacher(name)
    with pytest.raises(UsageError, match=REFUSED[name] + '.*: export a student of pillars'):
        graph_of(zoo.build(config))


@pytest.mark.parametrize('config', [toy.minkunet(), toy.ptv3()], ids=['MinkUNet', 'PTv3'])
def test_a_sparse_segmentor_is_refused(config):
    with pytest.raises(UsageError, match='MinkUNet whose backbone.*SubMConv3d, sparse conv'):
        graph_of(toy.build(config))


def test_a_network_without_pillars_is_refused():
    network = toy.build(pointpillars())
    network.middle_encoder = None
    with pytest.raises(UsageError, match='one of pillars, but got VoxelNet with no middle enc'):
        graph_of(network)
    network.middle_encoder = network.backbone
    with pytest.raises(UsageError, match='but got VoxelNet with SECOND'):
        graph_of(network)


@pytest.mark.parametrize('name', ['pointpillars', 'pointpillars-nus', 'centerpoint-pillar'])
def test_the_detectors_of_mmdet3d_with_pillars_have_a_graph(name):
    graph = graph_of(zoo.build(zoo.small(name)))
    assert isinstance(graph, DetectorGraph)
    assert graph.columns == (5 if 'centerpoint' in name else 4)


def test_the_configs_that_messages_name_are_there():
    named = re.findall(r'configs/\S+\.py', INSTEAD)
    assert len(named) == 2 and all((ROOT / name).is_file() for name in named)
