"""Label maps that do not fit their classes are refused in one sentence."""

import pytest

from projects.SRKD.datasets.label_map import check_label_map, label_map_by_name, nearest_ids

CLASSES = ('car', 'bus', 'road')
FITTING = {0: 3, 10: 0, 11: 0, 20: 1, 40: 2}


def check(label_map, classes=CLASSES, ignore_index=3, max_label=40):
    check_label_map(label_map, classes, ignore_index, max_label, 'ToyDataset')


def test_a_map_that_fits_passes():
    check(FITTING)
    check({0: 255, 10: 0, 20: 1, 40: 2}, ignore_index=255)
    check({10: 0, 40: 2}, ignore_index=1)  # an ignored class needs no raw id


def test_more_targets_than_classes_are_refused():
    match = (
        'seg_label_mapping of ToyDataset maps raw id 40 to class 2, expected 0 to 1 for its 2 '
        'classes or the ignored label 3: the class list does not fit the label map'
    )
    with pytest.raises(ValueError, match=match):
        check(FITTING, CLASSES[:2])
    with pytest.raises(ValueError, match='maps raw id 0 to class -1, expected 0 to 2'):
        check(FITTING | {0: -1})


def test_a_class_without_a_raw_id_is_refused():
    match = "maps no raw id to class 3, 'tree': the class list does not fit the label map"
    with pytest.raises(ValueError, match=match):
        check(FITTING | {0: 4}, (*CLASSES, 'tree'), ignore_index=4)


def test_a_raw_id_beyond_the_largest_label_is_refused():
    with pytest.raises(ValueError, match='has raw id 40, expected 0 to its max_label 39'):
        check(FITTING, max_label=39)


def test_raw_ids_are_mapped_by_the_name_of_their_class():
    raw = {1: 'car', 2: 'bus', 4: 'car'}
    assert label_map_by_name(raw, ('bus', 'car'), 2, 5, 'Toy') == {
        0: 2, 1: 1, 2: 0, 3: 2, 4: 1, 5: 2}  # fmt: skip
    assert label_map_by_name(raw, ('car',), 255, 2, 'Toy') == {0: 255, 1: 0, 2: 255}


def test_a_name_that_no_raw_id_has_is_refused():
    raw = {1: 'car', 2: 'bus'}
    with pytest.raises(ValueError, match="Toy has no class 'cars'; the nearest is 'car'"):
        label_map_by_name(raw, ('cars',), 1, 2, 'Toy')
    with pytest.raises(ValueError, match="Toy has no class 'tree'; it has bus, car"):
        label_map_by_name(raw, ('tree',), 1, 2, 'Toy')


def test_the_nearest_ids_come_nearest_first():
    assert nearest_ids(252, [0, 250, 10, 260, 253]) == '253, 250, 260'
    assert nearest_ids(7, [3]) == '3'
