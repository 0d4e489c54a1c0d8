"""Widths, divisors and groups on one module's config."""

import pytest

from projects.SRKD.models.compression import divisor_of
from projects.SRKD.models.compression.widths import ModuleWidths, Width


def second(divisor, **change):
    cfg = dict(type='SECOND', in_channels=64, out_channels=[64, 128, 256])
    return ModuleWidths({**cfg, **change}, 'backbone', divisor)


def test_divisors_are_those_of_the_release_and_roots_elsewhere():
    assert [divisor_of(n) for n in (2, 4, 8, 16)] == [1.4, 2, 2.8, 4]
    assert divisor_of(9) == 3
    assert divisor_of(2, divisor=1.5) == 1.5


@pytest.mark.parametrize(
    'width, divisor, want',
    # the last two are whole, though in floating point they may fall below
    [(64, 1.4, 45), (128, 2.8, 45), (256, 1.4, 182), (196, 4, 49), (126, 1.4, 90), (7, 0.7e1, 1)],
)
def test_a_width_is_the_floor_of_the_exact_quotient(width, divisor, want):
    module = second(divisor, out_channels=[width])
    assert module.narrow('out_channels') == [Width(width, want)]
    assert module.cfg['out_channels'] == [want]


def test_every_whole_quotient_survives_floating_point():
    for divisor in (1.4, 2.8, 1.1, 3.3, 1.7):
        for student in range(10, 400, 10):
            teacher = round(student * divisor)
            assert second(divisor, out_channels=teacher).narrow('out_channels').student == student


def test_nesting_and_its_type_are_kept():
    module = second(2, out_channels=((16, 32), [64], None))
    widths = module.narrow('out_channels')
    assert module.cfg['out_channels'] == ((8, 16), [32], None)
    assert widths == [[Width(16, 8), Width(32, 16)], [Width(64, 32)], None]


def test_defaults_come_from_the_class_of_the_module():
    module = ModuleWidths(dict(type='mmdet3d.SECOND'), 'backbone', 2)
    module.narrow('out_channels')
    assert module.type == 'SECOND' and module.cfg['out_channels'] == [64, 64, 128]


def test_levels_of_height_multiply_what_enters():
    module = second(2, in_channels=384)
    module.follow('in_channels', [Width(128, 45)], stacked=True)
    assert module.cfg['in_channels'] == 135


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(compression=1), 'compression must be above 1, .* but got 1: a half-width student'),
        (dict(compression=0.25), 'but got 0.25'),
        (dict(compression=float('nan')), 'but got nan'),
        (dict(divisor=0.5), 'divisor must be at least 1, which keeps the widths, but got 0.5'),
        (dict(), 'neither compression nor divisor is given, for example compression=4'),
    ],
)
def test_a_ratio_that_does_not_compress_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        divisor_of(**arguments)


def test_a_width_that_vanishes_is_refused():
    with pytest.raises(
        ValueError,
        match='backbone.out_channels holds 64 channels, of which a division by 100 leaves none, '
        'expected a divisor of at most 64',
    ):
        second(100).narrow('out_channels')


def test_a_width_that_its_groups_do_not_divide_is_refused():
    norm_cfg = dict(type='GN', num_groups=32)
    with pytest.raises(
        ValueError,
        match='backbone.out_channels: 64 / 2.8 gives 22 channels, which are not divisible into '
        'the 32 groups of its GN, expected a divisor such as 2$',
    ):
        second(2.8, norm_cfg=norm_cfg).narrow('out_channels')
    assert second(2, norm_cfg=norm_cfg).narrow('out_channels')[0] == Width(64, 32)


def test_an_input_the_teacher_contradicts_is_refused():
    with pytest.raises(
        ValueError,
        match=r'backbone.in_channels of the teacher takes \[64\] channels, but \[48\] enter',
    ):
        second(2).follow('in_channels', [Width(48, 24)])


def test_a_module_without_its_widths_is_refused():
    module = ModuleWidths(dict(type='PointPillarsScatter'), 'middle_encoder', 2)
    with pytest.raises(
        ValueError, match='middle_encoder, a PointPillarsScatter, has no in_channels, expected'
    ):
        module.follow('in_channels', [Width(64, 32)])
