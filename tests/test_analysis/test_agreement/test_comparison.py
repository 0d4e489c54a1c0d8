import numpy as np
import pytest
import torch
from toy import minkunet, ptv3, save_checkpoint
from toy_rooms import write_room_config

from projects.SRKD.analysis.agreement.comparison import (
    ALONE,
    TAUGHT,
    TEACHER,
    Comparison,
    compare,
    shared_layers,
)
from projects.SRKD.analysis.agreement.places import ROOM
from projects.SRKD.analysis.networks import build_network, predict, read_plain, read_scenes
from projects.SRKD.base import UsageError


def network(folder, model, seed):
    folder.mkdir(exist_ok=True)
    cfg = read_plain(write_room_config(folder, model))
    return cfg, build_network(cfg, save_checkpoint(model, folder / f'{seed}.pth', seed))


@pytest.fixture
def networks(tmp_path):
    large, small = minkunet(8, num_classes=20), minkunet(4, num_classes=20)
    cfg, teacher = network(tmp_path / 'large', large, 0)
    (_, alone), (_, taught) = (network(tmp_path / 'small', small, seed) for seed in (1, 2))
    return cfg, {TEACHER: teacher, ALONE: alone, TAUGHT: taught}


def test_three_networks_are_compared_on_all_labeled_points(networks):
    cfg, nets = networks
    batches = read_scenes(cfg, count=2)
    found = compare(nets, batches, ROOM)
    labels = {name: [] for name in nets}
    truth = []
    for batch in batches:
        for name, net in nets.items():
            sample = predict(net, batch)
            labels[name] += sample.pred_pts_seg.pts_semantic_mask.tolist()
        truth += np.asarray(sample.eval_ann_info['pts_semantic_mask']).tolist()
    known = [i for i, label in enumerate(truth) if label < 20]
    for name, of in labels.items():
        hit, union = [0] * 20, [0] * 20
        for i in known:
            hit[truth[i]] += truth[i] == of[i]
            for kind in {truth[i], of[i]}:
                union[kind] += 1
        iou = [a / b if b else float('nan') for a, b in zip(hit, union)]
        assert found['iou'][name] == pytest.approx(iou, nan_ok=True)
        assert found['miou'][name] == pytest.approx(np.nanmean(iou))
        assert sum(bin['points'] for bin in found['by_distance'][name]) == len(known)
        assert sum(bin['points'] for bin in found['by_crowd'][name]) == len(known)
        assert sum(found['reliability'][name]['points']) == len(known)
    gained = sum(labels[TAUGHT][i] == truth[i] != labels[ALONE][i] for i in known)
    lost = sum(labels[ALONE][i] == truth[i] != labels[TAUGHT][i] for i in known)
    assert found['rights'][ALONE]['gained'] == gained and found['rights'][ALONE]['lost'] == lost
    same = np.mean([a == b for a, b in zip(labels[TAUGHT], labels[TEACHER])])
    assert found['fidelity'][TAUGHT]['agreement'] == pytest.approx(same)
    assert all(0 < value <= 1 for of in found['cka'].values() for value in of.values())


def test_a_student_like_its_teacher_is_alike_everywhere(networks):
    cfg, nets = networks
    found = compare({TEACHER: nets[TEACHER], TAUGHT: nets[TEACHER]}, read_scenes(cfg), ROOM)
    assert set(found['cka']) == {TAUGHT} and set(found['rights']) == {TEACHER}
    assert list(found['cka'][TAUGHT].values()) == pytest.approx([1.0] * len(found['cka'][TAUGHT]))
    rights = found['rights'][TEACHER]
    assert rights['gained'] == rights['lost'] == 0


def test_layers_are_the_stages_that_both_have(tmp_path):
    ends = ['backbone', 'decode_head.conv_seg']
    _, mink = network(tmp_path / 'a', minkunet(4, num_classes=20), 0)
    _, point = network(tmp_path / 'b', ptv3(num_classes=20), 0)
    assert shared_layers(dict(a=mink, b=mink)) == [
        'backbone.encoder.0', 'backbone.encoder.1', 'backbone.decoder.0.1', 'backbone.decoder.1.1',
        *ends,
    ]  # fmt: skip
    assert shared_layers(dict(a=point)) == [
        'backbone.enc.enc0', 'backbone.enc.enc1', 'backbone.dec.dec0', *ends
    ]  # fmt: skip
    assert shared_layers(dict(a=mink, b=point)) == ends


def test_points_that_a_stage_dropped_are_left_out_of_it():
    of = Comparison([TEACHER, TAUGHT], 2, ROOM)
    features, logits = torch.randn(4, 3), torch.randn(4, 2)
    holed = features.clone()
    holed[1] = torch.nan
    of.add(torch.rand(4, 3), torch.tensor([0, 1, 9, 0]), dict.fromkeys(of.names, logits),
           {TEACHER: dict(a=features), TAUGHT: dict(a=holed)})  # fmt: skip
    assert of.result()['cka'][TAUGHT]['a'] == pytest.approx(1.0)


def test_no_scan_and_no_labels_are_refused(networks):
    cfg, nets = networks
    with pytest.raises(UsageError, match='agreement needs a test scan'):
        compare(nets, [], ROOM)
    (batch,) = read_scenes(cfg)
    batch['data_samples'][0].eval_ann_info = None
    with pytest.raises(UsageError, match='must have labels, but has none'):
        compare(nets, [batch], ROOM)
