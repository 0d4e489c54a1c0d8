import numpy as np
import pytest
from toy import write_scannet

from projects.SRKD.base import UsageError
from projects.SRKD.commands.own_classes import own_classes


def test_without_names_the_kinds_own_classes_hold(tmp_path):
    assert own_classes('kitti', tmp_path, None, None, None) is None


def test_a_raw_id_is_its_class_unless_said_otherwise(tmp_path):
    found = own_classes('scannet', tmp_path, ['a', 'b'], None, {})
    assert found == (('a', 'b'), {0: 0, 1: 1})
    found = own_classes('scannet', tmp_path, ['a', 'b'], [3, 1], {})
    assert found.label_map == {0: 2, 1: 1, 2: 2, 3: 0}


def test_other_ids_of_the_masks_have_no_label(tmp_path):
    (np.array([0, 5, 2]) + 2**16).astype(np.uint32).tofile(tmp_path / 'a.label')  # instance 1
    entries = dict(train=[dict(pts_semantic_mask_path='a.label')], val=[])
    found = own_classes('pandaset', tmp_path, ['a'], [2], entries)
    assert found.label_map == {0: 1, 1: 1, 2: 0, 3: 1, 4: 1, 5: 1}


def test_other_ids_of_masks_that_info_files_name_have_no_label(tmp_path):
    root = write_scannet(tmp_path / 'data')
    found = own_classes('mini-scannet', root, ['wall', 'floor'], [1, 2], None)
    assert found.label_map == {0: 2, 1: 0, 2: 1, 3: 2, 4: 2, 5: 2}
    for mask in (root / 'semantic_mask').iterdir():
        mask.unlink()
    found = own_classes('mini-scannet', root, ['wall', 'floor'], [1, 2], None)
    assert found.label_map == {0: 2, 1: 0, 2: 1}


@pytest.mark.parametrize(
    'like, names, ids, said',
    [
        ('scannet', None, [1], '--ids must come with --classes'),
        ('scannet', ['a', 'b'], [1], 'one raw id for each of the 2 classes, but got 1'),
        ('scannet', ['a', 'a'], None, "--classes must name each once, but got 'a' twice"),
        ('scannet', ['a', 'b'], [1, 1], '--ids must name each once, but got 1 twice'),
        ('kitti', ['a'], None, 'left out for --like kitti, .* scannet, pandaset, mini-scannet'),
    ],
)
def test_classes_that_cannot_be_are_told(tmp_path, like, names, ids, said):
    with pytest.raises(UsageError, match=said):
        own_classes(like, tmp_path, names, ids, None)
