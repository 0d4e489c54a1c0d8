"""A file of Pointcept's becomes a network of this project that computes the same."""

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config
from pointcept_files import cdsegnet, golden, is_norm, litept, prompted, ptv3, released, save
from serialized_backbone import voxels

from projects.SRKD.base import UsageError
from projects.SRKD.compat.weight_files import write_weights
from projects.SRKD.models.pointcept import Prompt, Wanted, config_text, convert, to_theirs
from projects.SRKD.models.weights import load_strictly, read_checkpoint

NEW = Wanted(release='1.6')


def built(conversion, tmp_path):
    """The network of the written config with the written weights."""
    config, path = tmp_path / 'net.py', tmp_path / 'net.safetensors'
    config.write_text(config_text(conversion))
    write_weights(path, conversion.weights, conversion.meta)
    cfg = Config.fromfile(config)
    network = MODELS.build(cfg.model).eval()
    load_strictly(network, str(path))
    return network, cfg


@pytest.mark.parametrize('name', ['golden.pth', 'golden.safetensors'])
def test_the_original_s_output_comes_out_of_its_file(tmp_path, name):
    told, (feat, coors), weights, out = golden()
    path = save(released(weights, 24), tmp_path / name)
    network, cfg = built(convert(path, Wanted(release='1.6', backbone=told)), tmp_path)
    assert cfg.model.backbone.enc_num_head == told['enc_num_head']
    with torch.no_grad():
        error = float((network.backbone(feat, coors) - out).abs().max())
    print(f'largest absolute error {error:.2e}')
    assert error < 1e-5


@pytest.mark.parametrize('make', [ptv3, litept, cdsegnet])
def test_widths_depths_and_heads_are_read_off_the_shapes(tmp_path, make):
    network, weights = make()
    ours, cfg = built(convert(save(weights, tmp_path / 'a.pth'), NEW), tmp_path)
    coors = voxels((60, 9), extent=16)[1]
    feat = torch.randn(len(coors), 6)
    with torch.no_grad():
        torch.testing.assert_close(ours.backbone(feat, coors), network(feat, coors))
    head = [value for key, value in weights.items() if key.endswith('head.weight')]
    assert any(torch.equal(ours.decode_head.conv_seg.weight, value) for value in head)
    assert cfg.train_dataloader.dataset.pipeline[3].type == 'AddNormals'


@pytest.mark.parametrize(
    ('release', 'kind', 'depth', 'color'),
    [
        ('1.5.1', 'PublishedPointTransformerV3', 'floor', 'signed_color'),
        ('1.5.2', 'PointTransformerV3', 'floor', 'signed_color'),
        ('1.6', 'PointTransformerV3', None, 'color'),
    ],
)
def test_the_release_decides_on_structure_and_colors(tmp_path, release, kind, depth, color):
    conversion = convert(save(ptv3()[1], tmp_path / 'a.pth'), Wanted(release=release))
    network, cfg = built(conversion, tmp_path)
    assert type(network.backbone).__name__ == kind and network.backbone.depth == depth
    assert network.data_preprocessor.inputs == (color, 'normal')
    assert cfg.model.data_preprocessor.voxel_size == 0.02
    meta = read_checkpoint(str(tmp_path / 'net.safetensors'))[1]
    assert meta['inputs'] == [color, 'normal'] and meta['voxel_size'] == 0.02
    assert meta['converted']['release'] == release
    assert meta['dataset_meta']['classes'][0] == 'wall'


def test_inputs_and_voxels_of_one_s_own_training_are_taken(tmp_path):
    path = save(ptv3()[1], tmp_path / 'a.pth')
    wanted = Wanted(release='1.6', inputs=('xyz', 'color'), voxel_size=0.05)
    network, _ = built(convert(path, wanted), tmp_path)
    assert type(network.data_preprocessor).__name__ == 'VoxelSegDataPreprocessor'
    assert network.data_preprocessor.voxel_size == (0.05,) * 3
    with pytest.raises(UsageError, match='voxel_size must be positive, but got 0'):
        convert(path, Wanted(release='1.6', voxel_size=0))


def test_a_file_s_name_is_no_code_of_the_config(tmp_path):
    conversion = convert(save(ptv3()[1], tmp_path / 'a\nraise SystemExit #.pth'), NEW)
    assert built(conversion, tmp_path)[1].model.backbone.type == 'PointTransformerV3'


def test_a_release_must_be_named(tmp_path):
    path = save(ptv3()[1], tmp_path / 'a.pth')
    with pytest.raises(
        UsageError, match='release must say which .* but got None: 1.5.1: the published'
    ):
        convert(path)


@pytest.mark.parametrize(('classes', 'data'), [(16, 'NuScenesLidarSeg'), (19, 'SemanticKitti')])
def test_networks_of_streets_take_coordinates_and_intensity(tmp_path, classes, data):
    path = save(ptv3(classes, in_channels=4)[1], tmp_path / 'a.pth')
    conversion = convert(path, Wanted(release='1.5.1'))
    network, cfg = built(conversion, tmp_path)
    assert conversion.meta['inputs'] == ['xyz', 'intensity']
    assert type(network.data_preprocessor).__name__ == 'VoxelSegDataPreprocessor'
    assert network.data_preprocessor.voxel_size == (0.05,) * 3
    assert cfg.train_dataloader.dataset.type == f'{data}Dataset'


def test_kernels_of_spconv_1_are_turned(tmp_path):
    network, weights = ptv3()
    old = {k: v.movedim(0, -1) if v.dim() == 5 else v for k, v in weights.items()}
    conversion = convert(save(old, tmp_path / 'a.pth'), NEW)
    for key, value in network.state_dict().items():
        assert torch.equal(conversion.weights[f'backbone.{key}'], value)


def test_one_data_set_of_several_is_kept(tmp_path):
    network, weights = ptv3()
    several = prompted(weights)
    assert sum(map(is_norm, weights)) > 50
    several['seg_heads.0.weight'], several['seg_heads.0.bias'] = torch.ones(13, 32), torch.ones(13)
    several['seg_heads.1.weight'] = several.pop('seg_head.weight')
    several['seg_heads.1.bias'] = several.pop('seg_head.bias')
    several['embedding_table.weight'] = torch.ones(3, 4)
    wanted = Wanted('scannet', '1.6', prompt=Prompt('S3DIS'))
    conversion = convert(save(several, tmp_path / 'a.pth'), wanted)
    for key, value in network.state_dict().items():
        assert torch.equal(conversion.weights[f'backbone.{key}'], value), key
    assert torch.equal(conversion.weights['decode_head.conv_seg.bias'], weights['seg_head.bias'])
    told = {note.key: str(note) for note in conversion.notes}
    assert told.keys() == {*several}
    assert told['embedding_table.weight'].startswith('dropped embedding_table.weight: the prompt')
    assert told['seg_heads.0.bias'] == 'dropped seg_heads.0.bias: the head of another data set'
    kept = told['backbone.embedding.stem.norm.norm.1.bias']
    assert kept.endswith('-> backbone.embedding.stem.norm.bias (the norm of S3DIS)')


def test_the_text_head_computes_scaled_cosines(tmp_path):
    _, weights = ptv3()
    several = prompted({k: v for k, v in weights.items() if not k.startswith('seg_head')})
    torch.manual_seed(0)
    text = {
        'proj_head.weight': torch.randn(8, 32), 'proj_head.bias': torch.randn(8),
        'class_embedding': torch.randn(36, 8).half(), 'logit_scale': torch.tensor(1.5),
    }  # fmt: skip
    path = save(several | text, tmp_path / 'a.pth')
    wanted = Wanted('scannet', '1.6', prompt=Prompt('S3DIS'))
    network, _ = built(convert(path, wanted), tmp_path)
    feat = torch.randn(5, 32)
    valid = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 20, 22, 24, 25, 27, 34]
    with torch.no_grad():
        found = network.decode_head(feat)
    for row, logits in zip(feat, found):
        image = text['proj_head.weight'] @ row + text['proj_head.bias']
        for label, at in enumerate(valid):
            cosine = (image @ text['class_embedding'][at].float()) / image.norm()
            torch.testing.assert_close(logits[label], torch.tensor(1.5).exp() * cosine)
    with pytest.raises(UsageError, match='head of several data sets, so dataset must name one'):
        convert(path, Wanted(release='1.6', prompt=Prompt('S3DIS')))


@pytest.mark.parametrize(
    ('prompt', 'message'),
    [
        (Prompt(), 'condition must name .* one of ScanNet, S3DIS, Structured3D, but got None'),
        (Prompt('Waymo'), 'but got Waymo'),
        (Prompt('A', ('A', 'B')), 'conditions must name the 3 data sets .* but got 2: A, B'),
    ],
)
def test_an_unknown_condition_is_refused(tmp_path, prompt, message):
    path = save(prompted(ptv3()[1]), tmp_path / 'a.pth')
    with pytest.raises(UsageError, match=message):
        convert(path, Wanted(release='1.6', prompt=prompt))


def test_modulated_norms_are_refused(tmp_path):
    weights = ptv3()[1] | {'backbone.enc.enc0.block0.cpe.2.modulation.1.weight': torch.ones(1)}
    with pytest.raises(UsageError, match='a learned context modulates'):
        convert(save(weights, tmp_path / 'a.pth'), NEW)


@pytest.mark.parametrize(
    ('change', 'wanted', 'message'),
    [
        (dict(key='backbone.enc.enc1.block0.mlp.0.fc2.weight', value=torch.ones(32, 9)), NEW,
         r'enc1.block0.mlp.0.fc2.weight: expected \(32, 128\), got \(32, 9\)'),
        (dict(key='backbone.enc.enc1.block0.norm3.bias', value=torch.ones(1)), NEW,
         'unexpected backbone.enc.enc1.block0.norm3.bias'),
        (dict(key='backbone.enc.enc0.block0.attn.rpe.rpe_table', value=torch.ones(1)), NEW,
         'unexpected .*rpe_table'),
        (dict(key='seg_head.bias', value=torch.full((20,), torch.nan)), NEW,
         'must be finite, but got .* decode_head.conv_seg.bias'),
        (dict(), Wanted('nuscenes', '1.6'), 'head has 20 classes, but dataset nuscenes has 16'),
        (dict(), Wanted('scanet', '1.6'), "dataset must be one of .*, nearest: 'scannet'"),
        (dict(), Wanted(release='1.6', inputs=('xyz', 'intensity')),
         'takes 6 columns, but inputs xyz, intensity are 4'),
        (dict(), Wanted(release='1.6', inputs=('xyz', 'rgb')), 'inputs must be one of'),
        (dict(key='seg_head.weight', value=torch.ones(7, 32)), NEW,
         'head has 7 classes, expected those of .* scannet'),
        (dict(drop='seg_head.'), NEW, 'has no class head'),
        (dict(drop='backbone.enc.enc1.down'), NEW, 'enc1.down.proj.weight must be in the file'),
        (dict(drop='backbone.enc.enc1.'), NEW, r'enc.enc1 must be there as .*enc2 is'),
        (dict(drop='backbone.enc.enc1.block1.attn.qkv.weight'), NEW, '1 missing, 0 unexpected'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_both_values(tmp_path, change, wanted, message):
    weights = ptv3()[1]
    if 'drop' in change:
        weights = {k: v for k, v in weights.items() if not k.startswith(change['drop'])}
    if 'key' in change:
        weights[change['key']] = change['value']
    with pytest.raises(UsageError, match=message):
        convert(save(weights, tmp_path / 'a.pth'), wanted)


@pytest.mark.parametrize('make', [ptv3, litept, cdsegnet])
def test_back_gives_the_file_s_names_and_values(tmp_path, make):
    weights = make()[1]
    conversion = convert(save(weights, tmp_path / 'a.pth'), NEW)
    back = to_theirs(conversion.weights, 'checkpoint a').weights
    assert back.keys() == {f'module.{key}' for key in weights}
    assert all(torch.equal(back[f'module.{key}'], value) for key, value in weights.items())


def test_what_pointcept_lacks_does_not_go_back():
    with pytest.raises(UsageError, match='checkpoint a holds no network that Pointcept has'):
        to_theirs({'backbone.conv_input.0.weight': torch.ones(1)}, 'checkpoint a')
    mark = {'backbone.enc.enc0.block0.cpe.0.weight': torch.ones(1)}
    with pytest.raises(UsageError, match='text head of one data set'):
        to_theirs(mark | {'decode_head.conv_seg.proj.weight': torch.ones(1)}, 'checkpoint a')
