"""Paths of an earlier version import the modules of today."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

from projects.SRKD.moved_modules import MOVED


@pytest.mark.parametrize('old', MOVED)
def test_an_old_path_gives_todays_module_and_says_where_it_is(old):
    sys.modules.pop(old, None)
    today = importlib.import_module(MOVED[old])
    spec = today.__spec__
    with pytest.warns(FutureWarning, match=f'{old} is {MOVED[old]} now'):
        module = importlib.import_module(old)
    assert module is today and module.__spec__ is spec and module.__name__ == MOVED[old]


@pytest.mark.parametrize('old', MOVED)
def test_no_old_path_takes_the_place_of_a_public_name(old):
    parent, _, child = old.rpartition('.')
    there = vars(importlib.import_module(parent)).get(child)
    assert there is None or isinstance(there, ModuleType)


def test_modules_inside_of_a_moved_folder_are_found_once():
    with pytest.warns(FutureWarning, match='MiniScenes.rooms.materials'):
        from projects.SRKD.datasets.mini.materials import NYU40
    from projects.MiniScenes.rooms import materials

    assert NYU40 is materials.NYU40


def test_the_losses_are_found_where_they_were_without_mmdet3d():
    words = (
        "import sys; sys.modules['mmdet3d'] = None\n"
        'from projects.SRKD.losses.affinity import affinity_mse as old\n'
        'from projects.SRKD.losses import affinity_mse, cross_sample_kl\n'
        'assert old is affinity_mse and callable(cross_sample_kl)'
    )
    subprocess.run([sys.executable, '-W', 'ignore', '-c', words], check=True)
