import pytest
import torch
from toy import minkunet, save_checkpoint
from toy_rooms import write_room_config

from projects.SRKD.analysis.networks import build_network, predict, read_plain, read_scenes
from projects.SRKD.base import UsageError

MODEL = minkunet(num_classes=20)


@pytest.fixture
def config(tmp_path):
    return write_room_config(tmp_path)


def test_prediction_has_a_label_for_every_raw_point(config):
    cfg = read_plain(config)
    network = build_network(cfg)
    sizes = []
    for batch in read_scenes(cfg, count=2):
        sample = predict(network, batch)
        labels = sample.pred_pts_seg.pts_semantic_mask
        truth = sample.eval_ann_info['pts_semantic_mask']
        assert len(labels) == len(truth) == len(batch['inputs']['points'][0])
        assert set(truth.tolist()) == {0, 1, 20}
        sizes.append(len(labels))
    assert sizes == [500, 300]


def test_distillation_config_becomes_its_student(tmp_path):
    whole = dict(type='DistillSegmentor', student=MODEL, teacher=dict(config='x', checkpoint='y'))
    cfg = read_plain(write_room_config(tmp_path, model=whole))
    assert type(build_network(cfg)).__name__ == 'MinkUNet'


def test_weights_are_loaded_strictly(config, tmp_path):
    checkpoint = save_checkpoint(MODEL, tmp_path / 'a.pth', seed=3)
    network = build_network(read_plain(config), checkpoint)
    weights = torch.load(checkpoint, weights_only=False)['state_dict']
    torch.testing.assert_close(dict(network.state_dict()), dict(weights))
    assert not network.training
    weights.popitem()
    torch.save({'state_dict': weights}, tmp_path / 'b.pth')
    with pytest.raises(RuntimeError, match='[Mm]issing key'):
        build_network(read_plain(config), tmp_path / 'b.pth')


def test_scene_that_is_not_there_is_named(config):
    with pytest.raises(UsageError, match=r'scene 2 asked for, test_dataloader.dataset has 2'):
        read_scenes(read_plain(config), first=2)


def test_missing_config_is_one_sentence():
    with pytest.raises(FileNotFoundError, match='config no.py does not exist'):
        read_plain('no.py')
