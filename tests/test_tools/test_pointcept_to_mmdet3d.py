"""The tool writes weights and a config that load strictly, and takes them back."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from pointcept_files import golden, ptv3, released, save
from toy import build

from projects.SRKD.models.weights import load_strictly

TOOL = Path(__file__).parents[2] / 'tools/model_converters/pointcept_to_mmdet3d.py'


@pytest.fixture
def convert(monkeypatch, capsys):
    spec = spec_from_file_location('pointcept_to_mmdet3d', TOOL)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)

    def convert(*args):
        capsys.readouterr()
        monkeypatch.setattr(sys, 'argv', [TOOL.name, *map(str, args)])
        module.main()
        return capsys.readouterr().out

    return convert


@pytest.mark.parametrize('name', ['net.pth', 'net.safetensors'])
def test_the_golden_network_there_and_back(convert, tmp_path, name):
    told, (feat, coors), weights, out = golden()
    theirs = released(weights, 24)
    save(theirs | {'criteria.weight': torch.ones(20)}, tmp_path / 'model_best.pth')
    (tmp_path / 'theirs.py').write_text(f'model = dict(backbone={told!r})')
    said = convert(tmp_path / 'model_best.pth', tmp_path / name, '--release', '1.6',
                   '--config', tmp_path / 'theirs.py')  # fmt: skip
    assert 'dropped criteria.weight: belongs to a loss' in said
    assert f'{len(weights)} kept, 2 renamed, 1 dropped' in said
    assert 'its voxels have the columns color, normal' in said
    network = build(Config.fromfile(tmp_path / 'net.py').model).eval()
    meta = load_strictly(network, str(tmp_path / name))
    assert meta['converted']['file'] == 'model_best.pth'
    with torch.no_grad():
        assert float((network.backbone(feat, coors) - out).abs().max()) < 1e-5
    convert(tmp_path / name, tmp_path / 'back.pth', '--back')
    back = torch.load(tmp_path / 'back.pth')['state_dict']
    assert back.keys() == {f'module.{key}' for key in theirs}
    assert all(torch.equal(back[f'module.{key}'], value) for key, value in theirs.items())


def test_what_no_shape_tells_is_said_to_be_taken_as_published(convert, tmp_path):
    save(ptv3()[1], tmp_path / 'a.pth')
    said = convert(tmp_path / 'a.pth', tmp_path / 'net.pth', '--release', '1.5.1')
    assert 'heads, patches, strides and orders are those of the published configs' in said


def test_mistakes_are_told(convert, tmp_path, misuse):
    save(ptv3()[1], tmp_path / 'a.pth')
    with misuse('pointcept_to_mmdet3d.py: release must say'):
        convert(tmp_path / 'a.pth', tmp_path / 'net.pth')
    with misuse('none.pth does not exist'):
        convert(tmp_path / 'none.pth', tmp_path / 'net.pth')
    with misuse('a.pth exists: name another file'):
        convert(tmp_path / 'a.pth', tmp_path / 'a.pth', '--release', '1.6')
    assert not (tmp_path / 'net.py').exists()
