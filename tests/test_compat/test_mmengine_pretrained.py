"""A part that starts from a file: all of it, some with a line in the log, or not at all."""

import logging

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from torch import nn
from toy import build, minkunet

from projects.SRKD.base import FileMissingError, UsageError


class Part(BaseModule):
    def __init__(self, **init_cfg):
        super().__init__(init_cfg=dict(type='Pretrained', **init_cfg))
        self.conv, self.norm = nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3)


def filled(prefix=''):
    part = Part(checkpoint='')
    return {prefix + key: torch.full_like(value, 7) for key, value in part.state_dict().items()}


@pytest.fixture
def start(tmp_path):
    """Initialize a part from a file of some weights."""

    def start(weights, **init_cfg):
        torch.save(dict(state_dict=weights), tmp_path / 'w.pth')
        part = Part(checkpoint=str(tmp_path / 'w.pth'), **init_cfg)
        part.init_weights()
        return part

    return start


@pytest.fixture
def told(caplog):
    """Level and text of the line that says how much was filled."""
    caplog.set_level(logging.INFO)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)

    def told():
        (line,) = [record for record in caplog.records if ' weights; ' in record.getMessage()]
        assert not any('do not match exactly' in one.getMessage() for one in caplog.records)
        return line.levelname, line.getMessage()

    level = logger.level
    logger.setLevel(logging.INFO)
    yield told
    logger.setLevel(level)
    logger.removeHandler(caplog.handler)


@pytest.mark.parametrize(('weights', 'prefix', 'message'), [
    ({'other': torch.ones(1)}, None, 'fills nothing of it: 0 of 7 keys match'),
    (filled('backbone.'), None, "fills nothing of it.*; prefix='backbone.' would fill some"),
    (filled('net.backbone.'), None, "prefix='net.backbone.' would fill some"),
    (filled('backbone.'), 'bakbone', "no weights below prefix='bakbone', the nearest is 'backbone"),
    (filled('backbone.'), 'backbon.', "no weights below prefix='backbon.', the nearest"),
    ({}, None, 'holds no weights'),
])  # fmt: skip
def test_a_file_that_fills_nothing_is_refused(start, weights, prefix, message):
    with pytest.raises(UsageError, match=f'init_cfg of Part: checkpoint .*w.pth.*{message}'):
        start(weights, prefix=prefix)


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path):
    (tmp_path / 'wide.pth').touch()
    with pytest.raises(
        FileMissingError,
        match='init_cfg of Part: checkpoint .*wider.pth does not '
        'exist; the nearest name there is .*wide.pth',
    ):
        Part(checkpoint=str(tmp_path / 'wider.pth')).init_weights()


def test_a_whole_is_loaded(start, told):
    for prefix in (None, 'backbone'):
        part = start(filled('backbone.' if prefix else ''), prefix=prefix)
        assert all((value == 7).all() for value in part.state_dict().values())
    part = start({key: w for key, w in filled().items() if 'tracked' not in key})
    assert (part.norm.weight == 7).all()


def test_what_stays_as_initialized_is_counted_in_one_line(start, told):
    weights = dict(filled(), more=torch.ones(1), **{'conv.weight': torch.ones(9, 2, 1)})
    del weights['norm.bias']
    part = start(weights)
    assert (part.conv.bias == 7).all() and (part.norm.bias == 0).all()
    level, text = told()
    assert level == 'WARNING'
    assert text.endswith(
        'w.pth fills 5 of 7 weights; 2 stay as initialized, 1 of the file are left out'
    )


def test_what_a_file_holds_besides_is_counted_too(start, told):
    start(dict(filled(), more=torch.ones(1)))
    level, text = told()
    assert level == 'INFO' and '7 of 7 weights; 0 stay as initialized, 1 of the file' in text


def test_the_backbone_of_a_trained_segmentor_starts_another(tmp_path):
    network = build(minkunet(8))
    torch.save(dict(state_dict=network.state_dict()), tmp_path / 'w.pth')
    config = minkunet(8)
    config['backbone']['init_cfg'] = dict(
        type='Pretrained', checkpoint=str(tmp_path / 'w.pth'), prefix='backbone.')  # fmt: skip
    other = build(config)
    other.init_weights()
    key = 'backbone.conv_input.0.0.weight'
    assert torch.equal(other.state_dict()[key], network.state_dict()[key])
    del config['backbone']['init_cfg']['prefix']
    with pytest.raises(UsageError, match="prefix='backbone.' would fill some"):
        build(config).init_weights()


def test_weights_that_are_no_numbers_are_refused(start):
    weights = filled() | {'conv.bias': torch.tensor([1, float('nan'), float('nan')])}
    with pytest.raises(UsageError, match=r'1 of 7 tensors .*: conv.bias \(2 of 3\); the run that'):
        start(weights)
