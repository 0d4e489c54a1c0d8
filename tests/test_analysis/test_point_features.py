import pytest
import torch
from toy import minkunet, ptv3, save_checkpoint
from toy_rooms import write_room_config

from projects.SRKD.analysis.networks import build_network, read_plain, read_scenes
from projects.SRKD.analysis.point_features import point_features
from projects.SRKD.base import UsageError
from projects.SRKD.distill.taps import Taps


@pytest.mark.parametrize('model', [minkunet(4, num_classes=20), ptv3(num_classes=20)])
def test_every_point_has_the_row_of_its_voxel(tmp_path, model):
    cfg = read_plain(write_room_config(tmp_path, model))
    network = build_network(cfg, save_checkpoint(model, tmp_path / 'a.pth'))
    (batch,) = read_scenes(cfg)
    found = point_features(network, batch, ['decode_head.conv_seg'])['decode_head.conv_seg']
    logits = network.test_step(batch)[0].pts_seg_logits.pts_seg_logits.T
    torch.testing.assert_close(found, logits)


def test_coarse_stages_are_looked_up_by_place(tmp_path):
    model = ptv3(num_classes=20)
    cfg = read_plain(write_room_config(tmp_path, model))
    network = build_network(cfg)
    (batch,) = read_scenes(cfg)
    taps = ['backbone.enc.enc1', 'backbone']
    found = point_features(network, batch, taps)
    assert [tuple(found[tap].shape) for tap in taps] == [(500, 32), (500, 16)]
    data = network.data_preprocessor(batch, False)
    with Taps(network, taps[:1], 'network') as seen:
        network(data['inputs'], data['data_samples'], mode='predict')
        stage = seen[taps[0]]
    (sample,), places = data['data_samples'], stage.coors.tolist()
    for point in range(0, 500, 23):
        scan, *fine = data['inputs']['voxels']['coors'][sample.point2voxel_map[point]].tolist()
        row = places.index([scan, *(x // 2 for x in fine)])
        torch.testing.assert_close(found[taps[0]][point], stage.feat[row])


def test_a_layer_that_is_not_there_is_named(tmp_path):
    cfg = read_plain(write_room_config(tmp_path, minkunet(4, num_classes=20)))
    with pytest.raises(UsageError, match="the teacher .* has no module 'bckbone' to tap"):
        point_features(build_network(cfg), read_scenes(cfg)[0], ['bckbone'], 'teacher')
