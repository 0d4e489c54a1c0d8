"""Files of mmdet3d's zoo, made of real networks by renaming and permuting, load strictly."""

import copy
import itertools
import re

import pytest
import torch
from toy import build, minkunet
from toy_detectors import centerpoint, pointpillars

from projects.SRKD.base import UsageError
from projects.SRKD.datasets.class_names import stored_classes
from projects.SRKD.models.minkunet_layouts import cube_of
from projects.SRKD.models.weights import load_strictly


def offsets(edge):
    """Places of a kernel in the order of torchsparse's list, as indices x, y, z."""
    steps = range(edge)
    if edge % 2:
        return [(x, y, z) for z in steps for y in steps for x in steps]
    return list(itertools.product(steps, repeat=3))


def listed(cube):
    """A kernel of spconv as a list of offsets."""
    found = [cube[:, x, y, z].T for x, y, z in offsets(cube.shape[1])]
    return found[0] if len(found) == 1 else torch.stack(found)


@pytest.mark.parametrize('edge', [1, 2, 3, 5])
def test_offsets_come_to_their_places(edge):
    cube = torch.randn(4, edge, edge, edge, 3)
    assert torch.equal(cube_of(listed(cube)), cube)


def test_a_list_that_is_no_cube_is_left_for_the_report():
    assert cube_of(torch.ones(9, 2, 3)).shape == (9, 2, 3)


TORCHSPARSE = (
    (r'(\.downsample\.0)\.weight', r'\1.kernel'),
    (r'\.conv1\.weight', '.net.0.kernel'), (r'\.bn1\.', '.net.1.'),
    (r'\.conv2\.weight', '.net.3.kernel'), (r'\.bn2\.', '.net.4.'),
    (r'(conv_input\.\d|encoder\.\d\.0|decoder\.\d\.0)\.0\.weight', r'\1.net.0.kernel'),
    (r'(conv_input\.\d|encoder\.\d\.0|decoder\.\d\.0)\.1\.', r'\1.net.1.'),
)  # fmt: skip
MINKOWSKI = (
    (r'\.downsample\.0\.weight', '.downsample.net.0.kernel'),
    (r'\.downsample\.1\.', '.downsample.net.1.bn.'),
    (r'\.(conv[12])\.weight', r'.\1.kernel'), (r'\.bn([12])\.', r'.norm\1.bn.'),
    (r'(conv_input\.\d|encoder\.\d\.0|decoder\.\d\.0)\.0\.weight', r'\1.net.0.kernel'),
    (r'(conv_input\.\d|encoder\.\d\.0|decoder\.\d\.0)\.1\.', r'\1.net.1.bn.'),
)  # fmt: skip


def renamed(key, rules):
    for pattern, new in rules:
        found, count = re.subn(pattern, new, key)
        if count:
            return found
    return key


def trained(config):
    """A network whose every parameter is another number."""
    network = build(config)
    for value in itertools.chain(network.parameters(), network.buffers()):
        if value.is_floating_point():
            value.data = torch.randn(value.shape)
    return network


@pytest.mark.parametrize('rules', [TORCHSPARSE, MINKOWSKI], ids=['torchsparse', 'minkowski'])
def test_other_backends_of_minkunet_load_strictly(tmp_path, rules):
    network = trained(minkunet(8))
    weights = {
        renamed(key, rules): listed(value) if value.dim() == 5 else value
        for key, value in network.state_dict().items()
    }
    assert sum(key.endswith('.kernel') for key in weights) == 17
    path = tmp_path / 'zoo.pth'
    torch.save(dict(state_dict=weights, meta=dict(mmdet3d_version='1.1.0')), path)
    loaded = build(minkunet(8))
    load_strictly(loaded, str(path))
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    with pytest.raises(UsageError, match='of another shape'):
        load_strictly(build(minkunet(16)), str(path))


def second():
    """SECOND as ``VoxelNet``, small: a sparse encoder of spconv between pillars' parts."""
    config = copy.deepcopy(pointpillars(8))
    config['voxel_encoder'] = dict(type='HardSimpleVFE', num_features=4)
    config['middle_encoder'] = dict(
        type='SparseEncoder', in_channels=4, sparse_shape=[41, 80, 80], base_channels=8,
        output_channels=8, encoder_channels=((8,), (8, 8, 8)),
        encoder_paddings=((1,), (1, 1, 1)), order=('conv', 'norm', 'act'),
    )  # fmt: skip
    return config


@pytest.mark.parametrize('make', [minkunet, pointpillars, second, centerpoint])
@pytest.mark.parametrize('prefix', ['', 'module.'])
@pytest.mark.parametrize('spconv', [1, 2])
def test_files_of_the_zoo_load_strictly(tmp_path, make, prefix, spconv):
    network = trained(make())
    weights = {
        prefix + key: value.movedim(0, -1) if spconv == 1 and value.dim() == 5 else value
        for key, value in network.state_dict().items()
    }
    meta = dict(CLASSES=('Car',), PALETTE=[[1, 2, 3]], mmdet_version='2.11.0', config='import os')
    path = tmp_path / 'zoo.pth'
    torch.save(dict(state_dict=weights, meta=meta, optimizer=dict(state={})), path)
    loaded = build(make())
    found = load_strictly(loaded, str(path))
    assert stored_classes(found) == ('Car',) and 'config' not in found
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
