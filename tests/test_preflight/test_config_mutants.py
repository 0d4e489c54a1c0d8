"""Broken configs, each with what must come of it said beforehand.

A mutant is refused, in a sentence that names its key and ends in exit code 2, or it is what its
unbroken twin is, or it cannot be seen. Nothing is trained: what a run reads of a config before its
data and builds from it is read and built here.
"""

import copy
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from mmdet3d.registry import HOOKS, MODELS, TRANSFORMS
from mmengine.config import Config, ConfigDict

from projects.SRKD.base import UsageError
from projects.SRKD.datasets.class_names import inner_datasets
from projects.SRKD.engine.config_file import merge_options
from projects.SRKD.preflight import check_config
from projects.SRKD.preflight.components import components

MINI = Path(__file__).parents[2] / 'configs/mini'
FAMILIES = {
    'ptv3': 'ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
    'minkunet': 'minkunet-mini_1xb4-15e_mini-semantickitti-frames.py',
    'srkd': 'srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
    'pillars': 'pointpillars-mini-4x_1xb4-20e_mini-kitti-3d.py',
    'centerpoint': 'centerpoint-mini_1xb4-20e_mini-nuscenes-3d.py',
    'pointdistiller': 'pointdistiller_pointpillars-mini_pointpillars-mini-4x_1xb4-20e_mini-kitti-'
    '3d.py',
}
DETECTORS = ('pillars', 'centerpoint', 'pointdistiller')
SAME = object()
GONE = object()
TRAIN = 'train_dataloader'
DATA = 'train_dataloader.dataset'
WEIGHTS = 'model.terms.local_graph.loss.weights'
BACKBONE = 'model.student.detector.backbone'

# family -> key, value (GONE: the key is taken away), what must come
TABLE = {
    'ptv3': [
        ('model', GONE, 'model is missing'),
        ('model', 'MinkUNet', 'model must be a dict'),
        ('model.type', GONE, 'model.type is missing'),
        ('train_cfg', GONE, 'train_cfg is missing'),
        ('optim_wrapper', GONE, 'optim_wrapper is missing'),
        (TRAIN, GONE, 'train_dataloader is missing'),
        ('val_evaluator', GONE, 'val_evaluator is missing'),
        ('test_cfg', GONE, 'test_cfg is missing'),
        ('train_dataloder', dict(batch_size=1), 'train_dataloder: .*nearest: train_dataloader'),
        ('custom_hoks', [], 'custom_hoks: .*nearest: custom_hooks'),
        ('param_schedulers', [], 'param_schedulers: .*nearest: param_scheduler'),
        ('custom_hooks', 'ReseedHook', 'custom_hooks must be a list'),
        (f'{TRAIN}.batch_sise', 3, "train_dataloader: .*'batch_sise', nearest: batch_size"),
        (f'{TRAIN}.dataset', GONE, 'train_dataloader.dataset is missing'),
        (f'{TRAIN}.dataset', [1], 'train_dataloader.dataset must be a dict'),
        (f'{DATA}.data_root', '/nowhere/', 'data_root /nowhere/ of train_dataloader'),
        (f'{DATA}.ann_file', 'no.pkl', 'ann_file of train_dataloader does not exist'),
        (f'{DATA}.pipeline', dict(type='PointShuffle'), f'{DATA}.pipeline must be a list'),
        ('model.backbone.in_channels', 'six', 'model.backbone.in_channels: .*int'),
        ('model.backbone.in_channels', [6], 'model.backbone.in_channels: .*int'),
        ('model.backbone.in_channels', 6.5, 'model.backbone.in_channels: .*int'),
        ('model.backbone.in_channels', 6.0, 'model.backbone.in_channels: .*int'),
        ('model.data_preprocessor.voxel_size', 'small', 'model.data_preprocessor.voxel_size'),
        ('model.data_preprocessor.max_voxels', 'many', 'model.data_preprocessor.max_voxels'),
        ('optim_wrapper.optimizer.lr', 'high', 'optim_wrapper.optimizer.lr'),
        ('optim_wrapper.optimizer.lrr', 1, "optim_wrapper.optimizer: .*'lrr', nearest: lr"),
        ('default_hooks.logger.interval', 'often', 'default_hooks.logger.interval'),
        ('num_classes', 21, SAME),  # a word of the file that no part reads
        ('a_word_of_mine', 3, SAME),
        (f'{TRAIN}.num_workers', 1, SAME),
        ('optim_wrapper.optimizer.lr', 4e-2, None),
    ],
    'minkunet': [
        ('model.decode_head.num_classes', 18, 'num_classes'),
        ('model.decode_head.num_classes', 20, 'num_classes'),
        ('model.decode_head.num_classes', 1, 'num_classes'),
        (f'{DATA}.dataset.metainfo.classes', ('car', 'bicycle'), 'classes'),
        (f'{DATA}.dataset.metainfo.seg_label_mapping', {0: 77}, 'label map'),
        (f'{DATA}.dataset.data_prefix.pts', 'velodine', 'data_prefix.pts of train_dataloader'),
        (f'{DATA}.dataset.data_prefix.pts_semantic_mask', 'labls', 'data_prefix.pts_semantic_mask'),
        ('model.backbone.type', 'MinkUnetBackbone', 'model.backbone.type: .*MinkUNetBackbone'),
        ('model.data_preprocessor.voxel_size', '0.4', 'model.data_preprocessor.voxel_size'),
        ('model.data_preprocessor.voxel_sise', 0.4, 'model.data_preprocessor: .*voxel_size'),
        ('test_evaluator.type', 'SegMetricWithVoxel', 'test_evaluator.type: .*SegMetric'),
        ('train_cfg.max_epoch', 3, "train_cfg: .*'max_epoch', nearest: max_epochs"),
    ],
    'srkd': [
        ('model.terms', {}, 'no terms'),
        ('model.student.backbone.in_channels', 'six', 'model.student.backbone.in_channels'),
        ('model.teacher.config', 'configs/none.py', 'teacher config configs/none.py does'),
        ('model.terms.kd.student_tap', 'decode_head.conv_sg', 'decode_head.conv_s.*conv_seg'),
        ('model.terms.kd.student_tap', 'backbone', "term 'kd'|kd.*logit|logit.*kd"),
        ('model.terms.kd.teacher_tap', 'backbone.decc', 'backbone.decc'),
        ('model.terms.kd.student_taps', 'backbone', 'model.terms.kd: .*nearest: student_tap'),
        ('model.terms.kd.loss.temprature', 2, 'model.terms.kd.loss: .*nearest: temperature'),
        ('model.terms.kd.loss.temperature', 0, 'temperature'),
        ('model.terms.kd.loss.temperature', -1.0, 'temperature'),
        ('model.terms.kd.loss.temperature', 'hot', 'model.terms.kd.loss.temperature'),
        ('model.terms.kd.loss.direction', 'backwards', 'direction'),
        ('model.terms.kd.loss.loss_weight', -0.5, 'loss_weight'),
        ('model.terms.kd.loss.loss_weight', float('nan'), 'loss_weight'),
        ('model.terms.kd.loss.loss_weight', float('inf'), 'loss_weight'),
        ('model.terms.kd.loss.loss_weight', '1', 'model.terms.kd.loss.loss_weight'),
        ('model.terms.affinity_point.loss.loss_weight', -1, 'loss_weight'),
        ('model.terms.affinity_voxel.loss.loss_weight', -1, 'loss_weight'),
        ('model.terms.channel.loss.loss_weight', -1, 'loss_weight'),
        ('model.terms.cross_sample.loss.loss_weight', -1, 'loss_weight'),
        ('model.terms.cross_sample.loss.n_points', 10.5, 'n_points'),
        ('model.terms.cross_sample.loss.n_points', -3, 'n_points'),
        ('model.terms.cross_sample.loss.n_points', 0, 'n_points'),
        ('model.terms.cross_sample.loss.temperature', 0.0, 'temperature'),
        ('model.terms.channel.loss.temperature', 0.0, 'temperature'),
        ('model.terms.channel.connector', None, 'channel'),
        ('model.terms.channel.connector.in_channels', 7, 'channel'),
        ('model.terms.channel.connector.out_channels', 7, 'channel'),
        ('model.super_voxels.num_super_voxels', 0, 'num_super_voxels'),
        ('model.super_voxels.num_super_voxels', 2.5, 'num_super_voxels'),
        ('model.super_voxels.num_super_voxel', 3, 'num_super_voxel'),
        ('model.super_voxels', 'cubes', 'model.super_voxels must be a dict or None, but got .cub'),
        ('model.terms.kd.loss.type', '', "model.terms.kd.loss.type: '' is not in the registry"),
        ('model.terms.kd.loss.type', 3, 'model.terms.kd.loss.type: 3 is not in the registry'),
        ('model.terms.kd', 3, "term 'kd' must be a dict with student_tap and loss, or .* got 3"),
        ('model.terms', 'kd', 'model.terms: .*expects Mapping'),
        ('model.teacher', 'teacher.py', 'model.teacher: .*expects Mapping'),
        ('model.teacher.chekpoint', 'x', "entries of .* but got 'chekpoint', nearest: checkpoint"),
        ('model.teacher.config', None, 'model.teacher must have a config, .* but got config'),
        ('model.teacher.config', 7, 'a config must be the path of a file or a dict, but got 7'),
        (f'{TRAIN}.batch_sampler.group_size', 0, 'group_size'),
        (f'{TRAIN}.batch_sampler.group_sise', 2, 'batch_sampler: .*nearest: group_size'),
        ('model.terms.kd.loss.temperature', 2, SAME),
        ('model.terms.spare', None, SAME),
        ('model.terms.kd.teacher_tap', None, SAME),
        ('model.terms.kd.loss.loss_weight', 3.0, None),
    ],
    'pillars': [
        ('train_cfg.max_epochs', 'ten', 'train_cfg.max_epochs'),
        ('val_evaluator.ann_fil', 'x', 'val_evaluator: .*nearest: ann_file'),
        ('val_evaluator.metric', GONE, SAME),
    ],
    'centerpoint': [
        ('model.pts_bbox_head.type', 'CentrHead', 'model.pts_bbox_head.type: .*CenterHead'),
        ('model.pts_backbone.type', 'SECONDD', 'model.pts_backbone.type: .*SECOND'),
        ('model.pts_middle_encoder.output_shape', (256, 256), 'output_shape'),
        ('model.pts_voxel_encoder.voxel_size', [0.3, 0.4, 8], 'voxel_size'),
        ('model.train_cfg.pts.grid_size', [64, 64, 1], 'grid_size'),
        ('model.train_cfg.pts.out_size_factor', 4, 'out_size_factor'),
        ('model.test_cfg.pts.pc_range', [0, 0], 'pc_range'),
        ('model.test_cfg.pts.out_size_factor', 4, 'out_size_factor'),
        ('model.test_cfg.pts.voxel_size', [0.1, 0.1], 'voxel_size'),
        (f'{DATA}.metainfo.classes', ['car', 'truck'], 'class'),
        (f'{DATA}.box_type_3d', 'Lidar', SAME),
        ('model.pts_middle_encoder.output_shape', [256, 128], SAME),
    ],
    'pointdistiller': [
        (f'{WEIGHTS}.temprature', 2, f'{WEIGHTS}: SoftmaxWeights .*nearest: temperature'),
        (f'{WEIGHTS}.temperature', 'hot', f'{WEIGHTS}.temperature: .*float'),
        (f'{WEIGHTS}.temperature', 0, 'temperature must be positive'),
        (f'{WEIGHTS}.scale', 'log', "nearest: 'log1p'"),
        (WEIGHTS, dict(type='InertWeights'), None),
        (f'{BACKBONE}.norm_cfg', dict(type='BN2d', epsilon=1), 'norm_cfg: BN2d .*nearest: eps'),
        (f'{BACKBONE}.norm_cfg', dict(type='BN2d', eps='1'), 'norm_cfg.eps: BN2d expects '),
        (f'{BACKBONE}.norm_cfg', dict(eps=1e-3), 'backbone.norm_cfg.type is missing, .*beside eps'),
        (
            f'{BACKBONE}.norm_cfg',
            dict(type='BN2d', eps=1e-3, momentum=0.01, requires_grad=True),
            SAME,
        ),
        (f'{BACKBONE}.conv_cfg', dict(type='Conv2d', bais=1), 'conv_cfg: .*nearest: bias'),
        (
            'model.student.detector.neck.upsample_cfg',
            dict(type='deconv', bais=1),
            'upsample_cfg: deconv .*nearest: bias',
        ),
        ('model.student.detector.bbox_hed', {}, 'detector: VoxelNet .*nearest: bbox_head'),
        ('model.student.divisr', 2, 'student: CompressedDetector .*nearest: divisor'),
        (
            f'{BACKBONE}.init_cfg',
            dict(type='Kaiming', lyer='Conv2d'),
            "backbone.init_cfg: Kaiming has no argument 'lyer', nearest: layer",
        ),
        (
            f'{BACKBONE}.init_cfg',
            dict(type='Pretrained', chekpoint='x'),
            'backbone.init_cfg: .*nearest: checkpoint',
        ),
        (
            f'{BACKBONE}.init_cfg',
            dict(type='Normal', override=dict(type='Constant', name='x', val=1)),
            SAME,
        ),
        (f'{DATA}.pipeline.2.db_sampler.sample_group', 1, 'db_sampler: .*nearest: sample_groups'),
        ('model.teacher.cache', 'work_dirs/cache', 'no teacher cache'),
        ('model.teacher_boxes', dict(score_thr=1.5), 'teacher_boxes.score_thr'),
        ('model.teacher_boxes', dict(score_thr=None), 'teacher_boxes.score_thr'),
        ('model.teacher_boxes', dict(score=0.5), 'teacher_boxes'),
        ('model.terms.local_graph.loss.num_neighbors', 0, 'num_neighbors'),
        ('model.terms.local_graph.loss.num_anchors', -5, 'num_anchors'),
        ('model.terms.local_graph.loss.num_anchors', 1.5, 'num_anchors'),
        ('model.terms.local_graph.loss.loss_weight', float('nan'), 'loss_weight'),
        ('model.terms.local_graph.loss.neighbors', 3, 'terms.local_graph.loss: .*num_neighbors'),
        ('model.terms.local_graph.student_tap', 'voxel_encodr', 'voxel_encodr.*voxel_encoder'),
    ],
}
MOST_UNSEEN = 0.03


@cache
def twin(family):
    return Config.fromfile(MINI / FAMILIES[family])


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Empty files at every place that the configs name: nothing is read here."""
    root = tmp_path_factory.mktemp('data')

    def settled(cfg, family):
        folder = root / family
        for split in ('train', 'val', 'test'):
            for part in inner_datasets(cfg[f'{split}_dataloader'].dataset):
                part['data_root'] = f'{folder}/'
                names = [part.get('ann_file'), part.get('scene_idxs')]
                for name in names:
                    if isinstance(name, str) and name:
                        (folder / name).parent.mkdir(parents=True, exist_ok=True)
                        (folder / name).touch()
                for prefix in (part.get('data_prefix') or {}).values():
                    (folder / prefix).mkdir(parents=True, exist_ok=True)
        for part in components(cfg):
            if part.config['type'] == 'ObjectSample':
                (folder / 'objects.pkl').touch()
                part.config['db_sampler']['info_path'] = str(folder / 'objects.pkl')
        return cfg

    return settled


def changed(cfg, key, value):
    cfg = Config(copy.deepcopy(cfg._cfg_dict.to_dict()))
    if isinstance(value, dict):  # mmengine merges dicts, a mutant replaces them
        parent, last = owner(cfg, key)
        parent[last] = ConfigDict(value)
        return cfg
    if value is not GONE:
        merge_options(cfg, {key: value})
        return cfg
    parent, last = owner(cfg, key)
    if parent is cfg:
        cfg._cfg_dict.pop(last)
    else:
        parent.pop(last)
    return cfg


def owner(cfg, key):
    *path, last = key.split('.')
    for name in path:
        cfg = cfg[name]
    return cfg, last


def judged(cfg, family):
    """What a run reads and builds of a config; returns the shapes of its weights."""
    check_config(cfg)
    with torch.device('cpu' if family in DETECTORS else 'meta'):
        network = MODELS.build(copy.deepcopy(cfg.model))
    for hook in cfg.get('custom_hooks') or []:
        HOOKS.build(copy.deepcopy(hook))
    for part in inner_datasets(cfg.train_dataloader.dataset):
        for step in part.get('pipeline') or []:
            if step['type'] != 'ObjectSample':  # opens its database
                TRANSFORMS.build(copy.deepcopy(step))
    terms = {name: str(term) for name, term in getattr(network, 'terms', {}).items()}
    return {key: value.shape for key, value in network.state_dict().items()}, terms


TABLED = [(family, *row) for family, rows in TABLE.items() for row in rows]


def id_of(row):
    family, key, value, _ = row
    return f'{family}: {key}={"gone" if value is GONE else value}'


@pytest.mark.parametrize('row', TABLED, ids=id_of)
def test_a_mutant_comes_to_what_was_said_beforehand(row, data):
    family, key, value, expected = row
    cfg = changed(data(twin(family), family), key, value)
    if isinstance(expected, str):
        with pytest.raises(UsageError, match=expected):
            judged(cfg, family)
    else:
        same = judged(cfg, family) == judged(twin(family), family)
        assert same or expected is None


def parts(family):
    """Keys of all parts of a config; of equal ones in its pipelines the first."""
    seen, keys = set(), []
    for part in components(twin(family)):
        mark = part.config['type'], part.key.split('.')[0]
        if mark not in seen and not part.key.startswith(('val_', 'test_')):
            seen.add(mark)
            keys.append(part.key)
    return keys


EVERY = [(family, key) for family in FAMILIES for key in parts(family)]


def part_of(cfg, key):
    """The dict at a dotted key, and the type it has or that is taken where it names none."""
    (kind,) = (part.config['type'] for part in components(cfg) if part.key == key)
    node = cfg
    for name in re.findall(r'[^.\[\]]+', key):
        node = node[int(name)] if isinstance(node, (list, tuple)) else node[name]
    return node, kind


@pytest.mark.parametrize(('family', 'key'), EVERY)
def test_a_misspelt_type_or_argument_is_named_with_its_place(family, key, data):
    place = key.replace('[', r'\[').replace(']', r'\]')
    cfg = Config(copy.deepcopy(data(twin(family), family)._cfg_dict.to_dict()))
    part, kind = part_of(cfg, key)
    part['type'] = f'{kind}x'
    with pytest.raises(UsageError, match=f'{place}.type: .*{kind}x.* nearest: '):
        judged(cfg, family)
    part['type'] = kind
    if key != 'default_hooks.checkpoint':  # which hands on what it does not know
        part['no_such_argument'] = 1
        with pytest.raises(UsageError, match=f"{place}: .*no argument 'no_such_argument'"):
            judged(cfg, family)


def test_there_are_enough_mutants_and_few_that_cannot_be_seen():
    total = len(TABLED) + 2 * len(EVERY)
    unseen = [row for row in TABLED if row[3] is None]
    print(f'{total} mutants: {len(unseen)} cannot be seen')
    assert total >= 150 and len(unseen) <= MOST_UNSEEN * total
