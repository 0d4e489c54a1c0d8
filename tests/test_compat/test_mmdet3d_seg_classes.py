"""Point labels of data sets whose config names some of their classes."""

import pytest
from mmdet3d.datasets import S3DISSegDataset, ScanNetSegDataset


def labels(kind, classes, ignore_index=None):
    dataset = kind.__new__(kind)
    dataset.ignore_index = len(classes) if ignore_index is None else ignore_index
    dataset.label_mapping = dataset.get_label_mapping(classes)[0]
    return dataset.get_seg_label_mapping(dict(classes=classes))


@pytest.mark.parametrize('kind', [ScanNetSegDataset, S3DISSegDataset])
def test_all_classes_keep_the_labels_they_had(kind):
    info = kind.METAINFO
    mapping = labels(kind, info['classes'])
    assert len(mapping) == len(info['seg_all_class_ids']) + 1
    for raw in range(len(mapping)):
        valid = info['seg_valid_class_ids']
        assert mapping[raw] == (valid.index(raw) if raw in valid else len(valid))


@pytest.mark.parametrize('classes', [('floor',), ('chair', 'floor'), ('floor', 'chair')])
def test_some_classes_are_numbered_as_the_config_names_them(classes):
    mapping = labels(ScanNetSegDataset, classes)
    info = ScanNetSegDataset.METAINFO
    raw = dict(zip(info['classes'], info['seg_valid_class_ids']))
    assert [mapping[raw[name]] for name in classes] == list(range(len(classes)))
    assert (mapping == len(classes)).sum() == len(mapping) - len(classes)


def test_points_without_a_class_get_the_ignore_index_of_the_config():
    assert labels(ScanNetSegDataset, ScanNetSegDataset.METAINFO['classes'], 255)[0] == 255
