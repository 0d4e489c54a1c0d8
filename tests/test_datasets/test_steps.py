"""Steps inside of steps."""

from mmcv.transforms import Compose
from mmdet3d.registry import TRANSFORMS
from mmengine.registry import init_default_scope

from projects.SRKD.datasets.steps import mixes, steps_of

JITTER = dict(type='RandomJitterPoints')


def test_inner_steps_are_found_behind_their_wrappers():
    init_default_scope('mmdet3d')
    choice = dict(type='RandomChoice', transforms=[[JITTER], [dict(type='PointShuffle')]])
    mix = dict(type='Mix3D', pre_transform=[choice, dict(type='CenterShift')])
    pipeline = Compose([JITTER, mix])
    kinds = [type(step).__name__ for step in steps_of(pipeline)]
    assert kinds == ['Compose', 'RandomJitterPoints', 'Mix3D', 'Compose', 'RandomChoice',
                     'Compose', 'RandomJitterPoints', 'Compose', 'PointShuffle',
                     'CenterShift']  # fmt: skip
    assert not list(steps_of(None))


def test_what_mixes_is_found_in_a_choice():
    mix = dict(type='LaserMix', num_areas=[3], pitch_angles=[-60, 60])
    plain, mixed = (
        TRANSFORMS.build(dict(type='RandomChoice', transforms=[[JITTER], [step]]))
        for step in (JITTER, mix)
    )
    assert mixes(mixed) and mixes([plain, mixed]) and not mixes(plain)
