"""Scans of any extent, down to one point, are segmented by every family, or named in a sentence."""

import copy

import pytest
import torch
from mmdet3d.models import MinkUNetBackbone
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes, PointData
from mmengine.config import Config
from test_configs import ROOT
from toy import build, ptv3, total
from zoo_detectors import scans as one_object
from zoo_detectors import small

from projects.SRKD.base import TooFewVoxelsError, UsageError

MODELS = ROOT / 'configs/_base_/models'
EXTENTS = {'thin': (4, 4, 0.5), 'flat': (4, 4, 0), 'line': (4, 0, 0), 'voxel': (0.01, 0.01, 0.01)}


def network(name):
    """A shipped network with voxels of 0.1 m, the deepest ones with one block per stage."""
    cfg = Config.fromfile(MODELS / f'{name}.py').model.to_dict()
    cfg['data_preprocessor']['voxel_size'] = 0.1
    if name in ('litept_s', 'cdsegnet'):
        cfg['backbone'].update(enc_depths=(1,) * 5)
    if name == 'pointpillars_seg':
        cfg['backbone']['bev_range'] = (-12.8, -12.8, 12.8, 12.8)
    torch.manual_seed(0)
    return build(cfg), cfg['backbone']['in_channels']


def scans(extent, columns, sizes=(200,)):
    clouds, samples = [], []
    for i, size in enumerate(sizes):
        cloud = torch.rand(size, columns, generator=torch.Generator().manual_seed(i))
        cloud[:, :3] *= torch.tensor(extent)
        truth = PointData(pts_semantic_mask=torch.arange(size) % 3)
        clouds.append(cloud)
        samples.append(Det3DDataSample(metainfo=dict(lidar_path=f'{i}.bin'), gt_pts_seg=truth))
    return dict(inputs=dict(points=clouds), data_samples=samples)


@pytest.fixture(
    scope='module',
    params=['minkunet_mini', 'ptv3_mini', 'litept_s', 'cdsegnet', 'pointpillars_seg'],
)
def family(request):
    return network(request.param)


@pytest.mark.parametrize('extent', EXTENTS.values(), ids=EXTENTS)
def test_a_scan_of_any_extent_is_segmented(family, extent):
    model, columns = family
    model.eval()
    data = model.data_preprocessor(scans(extent, columns, (50, 1)))
    with torch.no_grad():
        found = model(**data, mode='predict')
    for sample, size in zip(found, (50, 1)):
        assert sample.pred_pts_seg.pts_semantic_mask.shape == (size,)
        assert torch.isfinite(sample.pts_seg_logits.pts_seg_logits).all()


@pytest.mark.parametrize('extent', EXTENTS.values(), ids=EXTENTS)
def test_a_scan_of_any_extent_trains_or_is_named(family, extent):
    model, columns = family
    model.train()
    data = model.data_preprocessor(scans(extent, columns), training=True)
    if extent[0] < 1:
        with pytest.raises(TooFewVoxelsError, match=r'at least 2 voxels .* batch holds 0.bin\)'):
            model(**data, mode='loss')
        return
    loss = total(model(**data, mode='loss'))
    loss.backward()
    assert torch.isfinite(loss)


def voxels(*reach, rows=300, sample=0):
    """Distinct voxels below ``reach``, the corners among them."""
    generator = torch.Generator().manual_seed(0)
    inside = torch.stack([torch.randint(0, n, (rows,), generator=generator) for n in reach], 1)
    corners = torch.tensor([[0, 0, 0], [n - 1 for n in reach]])
    coors = torch.unique(torch.cat([inside, corners]), dim=0)
    return torch.nn.functional.pad(coors, (1, 0), value=sample).int()


@pytest.fixture(scope='module')
def backbone():
    """A MinkUNet whose deep stages count: its batch norms know their inputs."""
    model = network('minkunet_mini')[0].backbone.train()
    coors = voxels(64, 64, 64)
    with torch.no_grad():
        for _ in range(30):
            model(torch.rand(len(coors), 6), coors)
    return model.eval()


@torch.no_grad()
def test_grids_that_the_strides_divide_get_the_answer_they_had(backbone):
    coors = voxels(32, 48, 16)
    feat = torch.rand(len(coors), 6)
    before = MinkUNetBackbone.forward.original(backbone, feat, coors)
    assert torch.equal(backbone(feat, coors), before)


@torch.no_grad()
@pytest.mark.parametrize('reach', [(32, 32, 12), (32, 16, 1), (5, 1, 1), (1, 1, 1)], ids=str)
def test_thin_scans_get_the_answer_of_a_larger_grid(backbone, reach):
    coors = voxels(*reach)
    feat = torch.rand(len(coors), 6)
    plain = MinkUNetBackbone.forward.original
    if min(reach) < 16:
        with pytest.raises(RuntimeError, match='out spatial shape'):
            plain(backbone, feat, coors)
    far = torch.tensor([[1, 0, 0, 0], [1, 63, 63, 63]]).int()  # of another sample
    larger = plain(backbone, torch.cat([feat, torch.rand(2, 6)]), torch.cat([coors, far]))
    torch.testing.assert_close(backbone(feat, coors), larger[: len(coors)], rtol=0, atol=1e-5)
    assert larger[: len(coors)].abs().mean() > 0.05


@pytest.mark.parametrize('name', ['pointpillars', 'second', 'centerpoint-pillar'])
def test_detectors_take_one_point_and_name_a_cloud_without_any(name):
    cfg = small(name)
    model = build(cfg).eval()
    data = one_object(name, num_points=2)
    data['data_samples'] = [copy.deepcopy(each) for each in data['data_samples']]
    for i, sample in enumerate(data['data_samples']):
        sample.set_metainfo(dict(box_type_3d=LiDARInstance3DBoxes, lidar_path=f'{i:06d}.bin'))
    with torch.no_grad():
        found = model(**model.data_preprocessor(copy.deepcopy(data)), mode='predict')
    assert all(torch.isfinite(each.pred_instances_3d.scores_3d).all() for each in found)
    losses = model.train()(**model.data_preprocessor(copy.deepcopy(data), True), mode='loss')
    assert torch.isfinite(model.parse_losses(losses)[0])
    data['inputs']['points'][1] = data['inputs']['points'][1] + 1000
    with pytest.raises(UsageError, match='cloud 000001.bin has no point in the point_cloud_range'):
        model.data_preprocessor(data)


@torch.no_grad()
@pytest.mark.parametrize('reach', [(20, 20, 20), (33, 40, 17), (31, 16, 47)], ids=str)
def test_the_answer_of_a_scan_does_not_depend_on_a_larger_one_beside_it(backbone, reach):
    coors = voxels(*reach)
    feat = torch.rand(len(coors), 6)
    beside = voxels(60, 60, 60, sample=1)
    both = backbone(
        torch.cat([feat, torch.rand(len(beside), 6)]), torch.cat([coors, beside])
    )  # fmt: skip
    torch.testing.assert_close(backbone(feat, coors), both[: len(coors)], rtol=0, atol=1e-5)
    plain = MinkUNetBackbone.forward.original(backbone, feat, coors)
    assert (plain - both[: len(coors)]).abs().max() > 0.01  # what the cure is for


@pytest.mark.parametrize('name', ['second', 'centerpoint-pillar', 'pointpillars'])
def test_a_detector_that_gets_one_voxel_in_training_names_the_scan(name):
    model = build(small(name)).train()
    data = one_object(name, num_points=1)
    cloud, sample = data['inputs']['points'][0], copy.deepcopy(data['data_samples'][0])
    sample.set_metainfo(dict(box_type_3d=LiDARInstance3DBoxes, lidar_path='000007.bin'))
    data = dict(inputs=dict(points=[cloud]), data_samples=[sample])
    data = model.data_preprocessor(data, True)
    if name != 'second':  # a map has rows enough, and so have the points of a pillar
        assert torch.isfinite(model.parse_losses(model(**data, mode='loss'))[0])
        return
    with pytest.raises(TooFewVoxelsError, match=r'at least 2 voxels .* batch holds 000007.bin\)'):
        model(**data, mode='loss')


@pytest.mark.parametrize('mode', ['loss', 'predict', 'tensor'])
def test_a_stray_point_names_its_scan(mode):
    model = build(ptv3(depth=9)).train(mode == 'loss')
    data = scans((4, 4, 2), 6, (200, 200))
    data['inputs']['points'][1][0, 0] = 100.0
    data = model.data_preprocessor(data, mode == 'loss')
    with pytest.raises(UsageError, match=r'below 512, .* depth=10 .*\(scan 1.bin\)$'):
        model(**data, mode=mode)
