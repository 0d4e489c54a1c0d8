"""Without the packages that only nuScenes and Lyft need, segmentation works and says what lacks."""

import os
import sys
from pathlib import Path

import pytest
from processes import run

from projects.SRKD.base.packages import OPTIONAL, PackageMissingError, needed

ROOT = Path(__file__).parents[2]
BLOCKED = ('plyfile', *OPTIONAL)
BLOCK = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {BLOCKED}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Blocked())
"""
SEGMENT = """
import projects.SRKD
from projects.SRKD import compat, configs
from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

assert compat.apply()['mmdet3d_optional_packages']
init_default_scope('mmdet3d')
for name in ('mini-scannet-seg', 'mini-semantickitti-frames'):
    cfg = Config.fromfile(configs(f'mini/ptv3-mini-s_1xb4-15e_{name}.py'))
    network = MODELS.build(cfg.model)
    assert DATASETS.get(cfg.train_dataloader.dataset.type)
import projects.MiniScenes.rooms, projects.MiniScenes.streets
import mmdet3d.apis
for name in ('nuscenes', 'plyfile'):  # for others who ask, they are as absent as before
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f'{name} pretends to be there')
print('segments', sum(p.numel() for p in network.parameters()))
"""
USES = {
    'metric of nuScenes': (
        'from mmdet3d.registry import METRICS\n'
        "METRICS.build(dict(type='NuScenesMetric', data_root='.', ann_file='i.pkl'))",
        'nuscenes.eval.detection.config.config_factory is needed here and nuscenes-devkit is not',
    ),
    'boxes of Lyft': (
        'from mmdet3d.evaluation.metrics import lyft_metric; lyft_metric.Lyft(json_path=1)',
        'LyftDataset is needed here and lyft-dataset-sdk is not installed',
    ),
    'a quaternion': (
        'from mmdet3d.datasets import utils; utils.convert_quaternion_to_matrix([1, 0, 0, 0])',
        'pyquaternion.Quaternion is needed here and pyquaternion is not installed',
    ),
    'attribute of a class': (
        'from mmdet3d.evaluation.metrics import nuscenes_metric as metric\n'
        'metric.DetectionConfig.deserialize',
        'DetectionConfig.deserialize is needed here and nuscenes-devkit is not installed',
    ),
    'procedural nuScenes': (
        "from projects.MiniScenes.streets import write_nuscenes_detection as w; w('out')",
        'nuscenes.utils.splits is needed here and nuscenes-devkit is not installed',
    ),
}


def python(code, folder):
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    return run([sys.executable, '-c', BLOCK + code], cwd=folder, env=environment)


def test_segmentation_works_without_them(tmp_path):
    done = python(SEGMENT, tmp_path)
    assert done.returncode == 0 and 'segments' in done.stdout, done.stderr


def test_using_what_is_absent_says_what_to_install(tmp_path):
    code = 'import projects.SRKD\nfrom projects.SRKD.base import UsageError\n'
    for use, _ in USES.values():
        body = ''.join(f'    {line}\n' for line in use.splitlines())
        code += f"try:\n{body}except UsageError as error:\n    print('said:', error)\n"
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith('said: ')]
    assert len(said) == len(USES), done.stdout
    for line, (_, sentence) in zip(said, USES.values()):
        assert sentence in line and 'pip install ' in line


@pytest.mark.shows_a_fault
def test_without_the_cure_mmdet3d_cannot_be_imported(tmp_path):
    done = python('import mmdet3d.evaluation', tmp_path)
    assert "No module named 'lyft_dataset_sdk" in done.stderr


def test_a_package_that_is_there_is_the_package():
    assert needed('nuscenes').__name__ == 'nuscenes'


def test_a_package_that_lacks_something_itself_is_not_called_absent(tmp_path, monkeypatch):
    (tmp_path / 'shapely_like.py').write_text('import no_such_thing')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(OPTIONAL, 'shapely_like', 'shapely-like')
    with pytest.raises(ModuleNotFoundError, match='no_such_thing') as raised:
        needed('shapely_like')
    assert not isinstance(raised.value, PackageMissingError)
    monkeypatch.setitem(OPTIONAL, 'not_there', 'not-there')
    with pytest.raises(PackageMissingError, match='pip install not-there'):
        needed('not_there.at_all')
