"""Names of the hub, against a folder in its layout; nothing is downloaded."""

import sys

import pytest
import torch
from torch import nn

from projects.SRKD.base import UsageError
from projects.SRKD.base.packages import PackageMissingError
from projects.SRKD.compat.hub_files import _tell_card, card_of, hub_file
from projects.SRKD.models.weights import load_strictly, read_checkpoint

CARD = """---
license: apache-2.0
model-index:
- name: ptv3
  results:
  - task: {type: segmentation}
    dataset: {name: ScanNet val, type: scannet}
    metrics:
    - {type: mIoU, value: 77.6}
---
# A network
"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The cache of a hub with one repository, as ``huggingface_hub`` lays it out."""
    monkeypatch.setenv('HF_HUB_CACHE', str(tmp_path))
    folder = tmp_path / 'models--org--net'
    (folder / 'snapshots/abc/base').mkdir(parents=True)
    (folder / 'refs').mkdir()
    (folder / 'refs/main').write_text('abc\n')
    (folder / 'snapshots/abc/README.md').write_text(CARD)
    torch.save(nn.Linear(2, 2).state_dict(), folder / 'snapshots/abc/base/model.pth')
    _tell_card.cache_clear()
    return folder


@pytest.mark.parametrize('name', ['hub:org/net/base/model.pth', 'hub:org/net/base/model.pth@abc'])
def test_a_file_of_the_cache_is_read_by_its_name(hub, name):
    assert hub_file(name) == hub / 'snapshots/abc/base/model.pth'
    load_strictly(nn.Linear(2, 2), name)
    assert read_checkpoint(name)[0].keys() == {'weight', 'bias'}


def test_license_and_score_are_told_once(hub, monkeypatch):
    said = []
    monkeypatch.setattr('mmengine.logging.print_log', lambda text, **_: said.append(text))
    for _ in range(2):
        hub_file('hub:org/net/base/model.pth')
    (told,) = said
    assert told.startswith('hub:org/net: license apache-2.0; mIoU 77.6 on ScanNet val; read its')


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('no head', 'license not named; no score'),
        ('---\n[a, b]\n---', 'license not named; no score'),
        ('---\na: [\n---', 'license not named; no score'),
        ('---\nlicense: mit\nmodel-index: {}\n---', 'license mit; no score'),
    ],
)
def test_other_cards_are_survived(text, told):
    assert card_of(text) == told


def test_the_hub_s_package_is_asked_for_in_a_sentence(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(PackageMissingError, match='pip install huggingface_hub'):
        hub_file('hub:org/net/none.pth')


@pytest.mark.parametrize('name', ['hub:org/net', 'hub:net', 'hub:org/net/../../x', 'hub:'])
def test_names_of_another_form_are_refused(hub, name):
    with pytest.raises(UsageError, match='must be named hub:ORGANIZATION/NAME/FILE, but got'):
        hub_file(name)
