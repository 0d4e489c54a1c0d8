"""Every config file loads and builds, and is a difference rather than a copy."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from mmdet3d.registry import DATA_SAMPLERS, HOOKS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from toy import build

from projects.SRKD.distill.cache.cached_teacher import CachedTeacher
from projects.SRKD.preflight import (
    check_arguments,
    check_classes,
    check_geometry_of_config,
    check_sections,
)

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if '_base_' not in path.parts)
DETECTION = [path for path in CONFIGS if path.stem.endswith(('-3d', '-3class', '-car'))]
SEGMENTATION = [path for path in CONFIGS if path not in DETECTION]
CLASSES = {'scannet-seg': 20, 'scannet200-seg': 200, 'nuscenes-lidarseg': 16, 'semantickitti': 19}
# Backbones with 6 input columns (color) and with 4 (remission), and the width of the head.
PARAMETERS = {
    'ptv3-base': (46_166_272, 46_158_272, 64),
    'ptv3-large': (103_800_192, 103_788_192, 96),
    'ptv3-half': (11_566_208, 11_562_208, 32),
    'minkunet18-w16': (5_435_168, 5_434_304, 48),
    'minkunet18-w20': (8_489_720, 8_488_640, 60),
    'minkunet34-w20': (14_800_280, 14_799_200, 60),
    'litept-s': (12_712_932, 12_703_932, 72),
    'pointpillars': (None, 4_881_344, 128),
    'cdsegnet': (101_386_054, None, 64),
}
STUDENTS_BELOW = 15_000_000


def parameters(path: Path) -> int | None:
    """Of a network alone, by name of network and data set."""
    network, _, dataset = path.stem.split('_')[:3] if path.stem.count('_') == 2 else (None,) * 3
    if network not in PARAMETERS or dataset not in CLASSES:
        return None
    color, remission, channels = PARAMETERS[network]
    backbone = color if dataset.startswith('scannet') else remission
    return backbone + (channels + 1) * CLASSES[dataset]


@cache
def counted_in_metafile(folder: str) -> dict[str, int]:
    models = yaml.safe_load((ROOT / f'configs/{folder}/metafile.yml').read_text())['Models']
    return {model['Name']: model['Metadata']['Parameters'] for model in models}


def name_of(path: Path) -> str:
    return path.stem


@pytest.fixture(params=CONFIGS, ids=name_of)
def path(request, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # nothing depends on the working directory
    return request.param


def test_a_config_builds_and_its_parts_are_registered(path):
    config = Config.fromfile(path)
    check_sections(config, ('train', 'val', 'test'))
    check_arguments(config)
    check_classes(config)
    check_geometry_of_config(config)
    model = config.model
    # detectors' anchors and voxel layers read the values of tensors
    with torch.device('cpu' if path in DETECTION else 'meta'):
        network = build(model.get('student', model))
    count = sum(p.numel() for p in network.parameters())
    assert count == (parameters(path) or count)
    if path.parent.name == 'pointdistiller':
        assert count == counted_in_metafile('pointdistiller')[path.stem]
    if 'student' in model:
        assert count < STUDENTS_BELOW
        distiller = build(model)
        assert isinstance(distiller.teacher, CachedTeacher) or not distiller.teacher.built
        assert set(distiller.terms) == {k for k, term in model.terms.items() if term is not None}
        assert any(hook.type == 'DistillCheckpointHook' for hook in config.custom_hooks)
    for step in (*config.train_pipeline, *config.test_pipeline):
        assert TRANSFORMS.get(step.type) is not None, step.type
    for hook in (*config.default_hooks.values(), *config.get('custom_hooks', ())):
        assert HOOKS.get(hook.type) is not None, hook.type


def test_every_network_of_the_table_is_counted():
    counted = [path for path in CONFIGS if parameters(path) is not None]
    assert len(counted) == 4 * 7 + 2 + 1  # seven on each data set, pillars on streets, CDSegNet


def test_readme_and_metafile_name_every_config_with_its_parameters():
    folder = ROOT / 'configs/srkd'
    configs = {path.stem: path for path in CONFIGS if path.parent == folder}
    readme = (folder / 'README.md').read_text()
    found = dict(re.findall(r'\]\(([^)/]+)\.py\) \| [^|]+ \| ([\d,]+) \|', readme))
    assert {name: int(n.replace(',', '')) for name, n in found.items()} == {
        name: parameters(path) for name, path in configs.items() if parameters(path)
    }
    models = yaml.safe_load((folder / 'metafile.yml').read_text())['Models']
    assert {model['Name']: ROOT / model['Config'] for model in models} == configs
    for model in models:
        student, rest = model['Name'].split('_')[-3], '_'.join(model['Name'].split('_')[-2:])
        assert model['Metadata']['Parameters'] == parameters(Path(f'{student}_{rest}.py'))


def test_readme_and_metafile_of_detection_name_every_config_with_its_parameters():
    folder = ROOT / 'configs/pointdistiller'
    stems = {path.stem for path in CONFIGS if path.parent == folder}
    counts = counted_in_metafile('pointdistiller')
    assert counts.keys() == stems
    readme = (folder / 'README.md').read_text()
    assert set(re.findall(r'\]\(([^)/]+)\.py\)', readme)) == stems
    table = dict(re.findall(r'\]\(([^)/]+)\.py\) \| [^|]+ \| ([\d,]+) \|', readme))
    assert {name: int(n.replace(',', '')) for name, n in table.items()} == {
        name: counts[name] for name in table
    }
    assert len(table) == 6 + 12  # teachers, and two students of each


@pytest.mark.parametrize('path', SEGMENTATION, ids=name_of)
def test_its_train_loader_is_one_that_torch_accepts(path):
    loader = Config.fromfile(path).train_dataloader
    sampler = loader.get('batch_sampler')
    if sampler is None:
        assert loader.drop_last
        return
    assert not loader.drop_last, "with a batch sampler, drop_last is the sampler's own argument"
    DATA_SAMPLERS.build(
        sampler, default_args=dict(sampler=DefaultSampler(list(range(8))), batch_size=2)
    )


def test_a_variant_is_a_difference(path):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith('#')]
    assert len(lines) <= 25
    if path.stem.split('_')[0].split('-')[0] in ('kd', 'srkd', 'pointdistiller'):
        assert len(lines) <= 16


def test_an_ablation_is_one_file_of_at_most_ten_lines():
    kinds = ('srkd-no-', 'srkd-random-', 'srkd-class-')
    ablations = [path for path in CONFIGS if path.stem.startswith(kinds)]
    assert len(ablations) == len({path.stem.split('_')[0] for path in ablations}) == 7
    assert all(len(path.read_text().splitlines()) <= 10 for path in ablations)


def test_methods_define_terms_and_never_a_model():
    methods = sorted((ROOT / 'configs/_base_/distill').glob('*.py'))
    assert {'kd', 'srkd', 'srkd_paper', 'srkd_released_scannet', 'srkd_released_nuscenes'} <= {
        path.stem for path in methods
    }
    for path in methods:
        config = Config.fromfile(path)
        assert 'model' not in config
        # one dict of terms, or one for each family of detectors
        for terms in config.distill.values():
            for term in terms.values():
                assert MODELS.get(term.loss.type) is not None


def test_released_presets_carry_the_release_s_numbers():
    def terms(dataset):
        path = ROOT / f'configs/_base_/distill/srkd_released_{dataset}.py'
        return Config.fromfile(path).distill.terms

    for dataset, temperature, weight in (('scannet', 2.0, 0.3), ('nuscenes', 1.0, 0.1)):
        kd, relation = terms(dataset).kd.loss, terms(dataset).cross_sample.loss
        assert (kd.temperature, kd.loss_weight) == (temperature, weight)
        assert (relation.temperature, relation.loss_weight) == (temperature, 1e-3)
        assert relation.pairs == 'all'
        lifts = [term for name, term in terms(dataset).items() if name.startswith('mse_')]
        assert [term.loss.loss_weight for term in lifts] == [0.1] * 4


def test_the_released_connectors_have_the_parameters_that_the_paper_counted():
    base = Config.fromfile(ROOT / 'configs/srkd/ptv3-base_4xb2-800e_scannet-seg.py').model
    half = Config.fromfile(ROOT / 'configs/srkd/ptv3-half_4xb2-800e_scannet-seg.py').model
    terms = Config.fromfile(ROOT / 'configs/_base_/distill/srkd_released_scannet.py').distill.terms
    model = build(
        dict(
            type='DistillSegmentor',
            student=half,
            teacher=dict(config=base, checkpoint='unused.pth'),
            terms=terms,
        )
    )
    # 11,612,436 in the paper = the student with its head + four connectors
    assert sum(p.numel() for p in model.terms.parameters()) == 45_568
    assert sum(p.numel() for p in model.parameters()) == 11_612_436


@pytest.mark.parametrize(
    'path', [path for path in CONFIGS if path.stem.startswith('srkd_')], ids=lambda path: path.stem
)
def test_super_voxels_are_cylinders_on_streets_and_cubes_in_rooms(path):
    config = Config.fromfile(path)
    kind = 'CubePartition' if 'scannet' in path.stem else 'CylinderPartition'
    assert config.model.super_voxels == config.super_voxels
    assert config.model.super_voxels.partition.type == kind
    assert not any('partition' in term.loss for term in config.model.terms.values())
