"""Students that start from every n-th channel of a teacher, counted by hand on small networks."""

import copy

import pytest
import torch
from mmengine.config import Config
from toy import batch, build, minkunet, ptv3
from zoo_detectors import scans, small
from zoo_detectors import teacher as whole

from projects.SRKD import configs
from projects.SRKD.models.compression import compressed, inherit, select_weights, shuffle_channels
from projects.SRKD.models.compression.depth import stages_of


def randomize(network):
    """Other numbers in every weight and statistic."""
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape) + 0.1)
    return network


def pair(student, teacher):
    """Two built networks of configs, the teacher with numbers of its own, the student filled."""
    ours, theirs = build(student), randomize(build(teacher))
    left = select_weights(ours, theirs)
    return ours.state_dict(), theirs.state_dict(), left


def every(of, count, start=0):
    return torch.arange(count) * (of // count) + start


# --- by hand ---------------------------------------------------------------------------------


def test_channels_of_a_minkunet_counted_by_hand():
    ours, theirs, left = pair(minkunet(4), minkunet(8))
    assert left == ['decode_head.conv_seg']
    even = torch.tensor([0, 2, 4, 6])
    key = 'backbone.conv_input.0.0.weight'  # (C_out, 3, 3, 3, C_in): all six inputs
    assert torch.equal(ours[key], theirs[key][even])
    key = 'backbone.conv_input.1.0.weight'
    assert torch.equal(ours[key], theirs[key][even][..., even])
    for name in ('weight', 'bias', 'running_mean', 'running_var'):
        key = f'backbone.conv_input.0.1.{name}'
        assert torch.equal(ours[key], theirs[key][even])
    # the decoder joins 8 of 16 coarse channels with 4 of the 8 skipped ones
    both = torch.tensor([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22])
    key = 'backbone.decoder.0.1.0.conv1.weight'
    assert theirs[key].shape[-1] == 24
    wide = torch.tensor([0, 2, 4, 6, 8, 10, 12, 14])
    assert torch.equal(ours[key], theirs[key][wide][..., both])
    key = 'backbone.decoder.0.1.0.downsample.0.weight'
    assert torch.equal(ours[key], theirs[key][wide][..., both])
    # of a residual block both branches keep the same channels
    key = 'backbone.encoder.1.1.downsample.1.running_var'
    assert torch.equal(ours[key], theirs[key][wide])


def test_parts_of_a_joined_map_keep_channels_of_their_own():
    student, teacher = minkunet(4), minkunet(8)
    for config, wide in ((student, 4), (teacher, 16)):  # a quarter, beside half of the skip
        config['backbone']['decoder_channels'] = [wide, config['backbone']['decoder_channels'][1]]
    ours, theirs, _ = pair(student, teacher)
    both = torch.tensor([0, 4, 8, 12, 16, 18, 20, 22])
    key = 'backbone.decoder.0.1.0.conv1.weight'
    assert torch.equal(ours[key], theirs[key][torch.tensor([0, 4, 8, 12])][..., both])


def test_channels_of_a_ptv3_counted_by_hand():
    ours, theirs, left = pair(ptv3(8), ptv3(16))
    assert left == ['decode_head.conv_seg']
    even, path = every(16, 8), 'backbone.enc.enc0.block0'
    key = 'backbone.embedding.stem.conv.weight'
    assert torch.equal(ours[key], theirs[key][even])
    key = f'{path}.cpe.0.weight'
    assert torch.equal(ours[key], theirs[key][even][..., even])
    # two heads of 8 channels each, of which two heads of 4
    heads = torch.tensor([0, 2, 4, 6, 8, 10, 12, 14])
    qkv = torch.cat([heads, heads + 16, heads + 32])
    key = f'{path}.attn.qkv.weight'
    assert theirs[key].shape == (48, 16)
    assert torch.equal(ours[key], theirs[key][qkv][:, even])
    assert torch.equal(ours[f'{path}.attn.qkv.bias'], theirs[f'{path}.attn.qkv.bias'][qkv])
    key = f'{path}.attn.proj.weight'
    assert torch.equal(ours[key], theirs[key][even][:, heads])
    key = f'{path}.mlp.0.fc1.weight'
    assert torch.equal(ours[key], theirs[key][every(64, 32)][:, even])
    key = f'{path}.norm1.0.weight'
    assert torch.equal(ours[key], theirs[key][even])
    key = 'backbone.enc.enc1.down.norm.0.running_mean'
    assert torch.equal(ours[key], theirs[key][every(32, 16)])
    key = 'backbone.dec.dec0.up.proj.0.weight'
    assert torch.equal(ours[key], theirs[key][even][:, every(32, 16)])


@pytest.mark.parametrize(
    'heads, theirs, kept',
    [
        (
            2,
            4,
            [0, 1, 2, 3, 8, 9, 10, 11],
        ),  # whole heads: of four of 4 channels the first and third
        (1, 2, [0, 1, 2, 3, 4, 5, 6, 7]),  # one head of 8 channels, the first
        (1, 4, [0, 2, 4, 6, 8, 10, 12, 14]),  # a head of 8 is none of 4: all channels evenly
        (4, 2, [0, 2, 4, 6, 8, 10, 12, 14]),  # four heads of two: likewise
    ],
)
def test_heads_are_kept_whole_where_they_divide(heads, theirs, kept):
    student = ptv3(8, enc_num_head=(heads, 4))
    ours, wide, _ = pair(student, ptv3(16, enc_num_head=(theirs, 4)))
    kept = torch.tensor(kept)
    key = 'backbone.enc.enc0.block0.attn.qkv.bias'
    assert torch.equal(ours[key], wide[key][torch.cat([kept, kept + 16, kept + 32])])
    key = 'backbone.enc.enc0.block0.attn.proj.weight'
    assert torch.equal(ours[key], wide[key][every(16, 8)][:, kept])


@pytest.mark.parametrize('blocks, taken', [('first', [0, 1]), ('even', [0, 2])])
def test_blocks_of_a_deeper_teacher(blocks, taken):
    student, teacher = build(ptv3(8, enc_depths=(1, 2))), build(ptv3(8, enc_depths=(1, 4)))
    select_weights(student, randomize(teacher), blocks)
    for own, other in enumerate(taken):
        source = teacher.get_submodule(f'backbone.enc.enc1.block{other}').state_dict()
        for name, value in (
            student.get_submodule(f'backbone.enc.enc1.block{own}').state_dict().items()
        ):
            assert torch.equal(value, source[name]), name


def test_blocks_of_a_deeper_minkunet_and_of_a_deeper_second():
    deep, flat = minkunet(8), minkunet(4)
    deep['backbone'].update(encoder_blocks=[3, 2], decoder_blocks=[1, 4])
    flat['backbone'].update(encoder_blocks=[2, 1], decoder_blocks=[1, 2])
    student, teacher = build(flat), randomize(build(deep))
    select_weights(student, teacher, 'even')
    key = 'conv1.weight'
    own = student.backbone.decoder[1][1][1].state_dict()[key]
    even = every(8, 4)
    assert torch.equal(own, teacher.backbone.decoder[1][1][2].state_dict()[key][even][..., even])

    deep = small('pointpillars')
    flat = compressed(deep, 4)
    flat.backbone.layer_nums, deep.backbone.layer_nums = [3, 1, 2], [3, 3, 5]
    student, teacher = build(flat), randomize(build(deep))
    assert select_weights(student, teacher, 'even') == [
        'bbox_head.conv_cls', 'bbox_head.conv_reg', 'bbox_head.conv_dir_cls'
    ]  # fmt: skip
    even = every(128, 64)
    own, other = student.backbone.blocks[1], teacher.backbone.blocks[1]
    assert torch.equal(own[3].weight, other[6].weight[even][:, even])  # the 2nd of 2: the 3rd of 4
    assert torch.equal(own[4].running_var, other[7].running_var[even])


# --- whole networks ----------------------------------------------------------------------------

DETECTORS = ('pointpillars', 'second', 'centerpoint-pillar', 'centerpoint-voxel')


@pytest.mark.parametrize('blocks', ['first', 'even'])
@pytest.mark.parametrize('config', [minkunet(8), ptv3(16)], ids=['minkunet', 'ptv3'])
def test_a_segmentor_of_equal_size_becomes_its_teacher(config, blocks):
    student, teacher = build(config).eval(), build(config).eval()
    select_weights(student, teacher, blocks)
    assert not torch.equal(student.decode_head.conv_seg.weight, teacher.decode_head.conv_seg.weight)
    student.decode_head.load_state_dict(teacher.decode_head.state_dict())
    data = student.data_preprocessor(batch())
    with torch.no_grad():
        ours, theirs = (each(**data, mode='tensor') for each in (student, teacher))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize('name', DETECTORS)
def test_a_detector_of_equal_size_becomes_its_teacher_but_for_its_predictions(name):
    student, teacher = build(small(name)), randomize(build(small(name)))
    before = copy.deepcopy(student.state_dict())
    left = select_weights(student, teacher)
    assert len(left) >= 3
    for key, value in student.state_dict().items():
        source = before if key.rpartition('.')[0] in left else teacher.state_dict()
        assert torch.equal(value, source[key]), key


@pytest.mark.parametrize('name', DETECTORS)
def test_half_a_detector_starts_from_its_teacher_and_takes_a_step(name):
    student, teacher = build(compressed(small(name), 4)), build(small(name))
    select_weights(student, teacher)
    data = student.data_preprocessor(scans(name), training=True)
    losses = student(**data, mode='loss')
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in losses.values())


@pytest.mark.parametrize('blocks', ['first', 'even'])
def test_the_mini_pair_fits(blocks):
    student, teacher = (
        build(Config.fromfile(configs(f'mini/ptv3-mini-{size}_1xb4-60e_mini-scannet-seg{end}.py')).model)
        for size, end in (('s', '-4labeled'), ('m', ''))
    )  # fmt: skip
    assert select_weights(student, randomize(teacher), blocks) == ['decode_head.conv_seg']
    ours, theirs = student.state_dict(), teacher.state_dict()
    key = 'backbone.enc.enc3.block0.attn.proj.weight'  # six heads of 8 channels, nine of 16
    assert torch.equal(ours[key], theirs[key][every(144, 48)][:, every(144, 48)])
    key = 'backbone.enc.enc2.block0.cpe.0.weight'
    assert torch.equal(ours[key], theirs[key][every(96, 32)][..., every(96, 32)])


@pytest.mark.parametrize('keep', ['norm', 'first'])
@pytest.mark.parametrize('make, width', [(minkunet, 4), (ptv3, 8)])
def test_segmentors_inherit_by_the_other_choices_too(make, width, keep):
    student, teacher = build(make(width)), randomize(build(make(2 * width)))
    assert inherit(student, teacher.state_dict(), keep) == []  # their predictions are the same
    key = 'decode_head.conv_seg.bias'
    assert torch.equal(student.state_dict()[key], teacher.state_dict()[key])


# --- the control -------------------------------------------------------------------------------


@pytest.mark.parametrize('make', [minkunet, ptv3])
def test_shuffled_channels_hold_the_same_values_in_other_places(make):
    ordered, shuffled, again, other = (build(make(8)) for _ in range(4))
    teacher = randomize(build(make(16)))
    for network, seed in ((ordered, None), (shuffled, 1), (again, 1), (other, 2)):
        left = select_weights(network, teacher)
        if seed is not None:
            shuffle_channels(network, seed, but=left)
    own, moved = ordered.state_dict(), shuffled.state_dict()
    for key, value in own.items():
        if 'conv_seg' not in key:
            assert torch.equal(value.flatten().sort().values, moved[key].flatten().sort().values)
            if value.numel() > 4:
                assert not torch.equal(value, moved[key]), key
                assert not torch.equal(other.state_dict()[key], moved[key]), key
                assert torch.equal(again.state_dict()[key], moved[key]), key


def test_filters_move_with_their_bias_and_factors_with_their_statistics():
    network = build(ptv3(8))
    for value in network.state_dict().values():  # each channel holds its own number
        if value.dim():
            number = torch.arange(len(value), dtype=value.dtype)
            value.copy_(number.view(-1, *[1] * (value.dim() - 1)).expand_as(value))
    shuffle_channels(network, 0)
    moved = 0
    for path, module in network.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if {'weight', 'bias'} <= own.keys():
            first = own['weight'].flatten(1)[:, 0] if own['weight'].dim() > 1 else own['weight']
            assert torch.equal(first, own['bias']), path
            moved += not torch.equal(first, first.sort().values)
        if hasattr(module, 'running_var'):
            assert torch.equal(module.running_mean, own['weight']), path
            assert torch.equal(module.running_var, own['weight']), path
    assert moved > 20


# --- what is refused ---------------------------------------------------------------------------


def refused(student, teacher, message, **kwargs):
    before = build(student)
    with pytest.raises(ValueError, match=message):
        select_weights(before, build(teacher), **kwargs)


def test_another_family_is_refused():
    message = (
        'must be of one family, but backbone of the student is PointTransformerV3, of the teacher '
        'MinkUNetBackbone'
    )
    refused(ptv3(16), minkunet(16), message)
    message = 'but .* of the student is .*, of the teacher missing'
    refused(compressed(small('pointpillars'), 4), small('centerpoint-pillar'), message)


def test_widths_that_do_not_divide_are_refused():
    message = (
        r'backbone.embedding.stem.conv: channels of the student must divide the 20 of its teacher, '
        'of which every n-th is taken, but got 8, nearest: 10'
    )
    refused(ptv3(8), ptv3(20), message)


def test_a_student_wider_or_of_other_inputs_is_refused():
    refused(minkunet(16), minkunet(8), 'conv_input.0.0 of the student has 16 filters, .* no wider')
    student = minkunet(8)
    student['backbone']['in_channels'] = 4
    refused(student, minkunet(8), 'of the teacher takes 6 channels, but 4 enter')


def test_a_shallower_teacher_is_refused():
    message = (
        'backbone.enc.enc1 of the student has 3 blocks, of the teacher 2, expected a student no '
        'deeper than its teacher'
    )
    refused(ptv3(16, enc_depths=(1, 3)), ptv3(16, enc_depths=(1, 2)), message)
    deep = minkunet(8)
    deep['backbone']['decoder_blocks'] = [1, 2]
    refused(deep, minkunet(8), 'backbone.decoder.1.1 of the student has 2 blocks')


def test_other_stages_are_refused():
    three = minkunet(8)
    three['backbone'].update(
        num_stages=3, encoder_channels=[8, 16, 16], encoder_blocks=[1, 1, 1],
        decoder_channels=[16, 16, 8], decoder_blocks=[1, 1, 1],
    )  # fmt: skip
    message = "must have the same stages, but backbone.decoder.2.1 is the teacher's alone"
    refused(minkunet(8), three, message)
    refused(three, minkunet(8), "backbone.decoder.2.1 is the student's alone")


def test_layers_that_only_one_network_has_are_refused():
    message = 'must have the same layers, but 3 keys .* example .*attn.qkv.bias of the'
    refused(ptv3(16, qkv_bias=False), ptv3(16), message)


def test_unknown_blocks_are_refused():
    message = "blocks must be one of 'first', 'even', but got 'last'"
    refused(ptv3(16), ptv3(16), message, blocks='last')


def test_other_sparse_backends_are_refused(monkeypatch):
    student, teacher = build(minkunet(8)), build(minkunet(8))
    student.backbone.sparseconv_backend = 'torchsparse'
    with pytest.raises(ValueError, match="must be 'spconv', but got 'torchsparse'"):
        select_weights(student, teacher)


def test_stages_of_a_detector_are_those_of_its_backbone():
    assert [len(blocks) for blocks in stages_of(build(whole('pointpillars'))).values()] == [4, 6, 6]
