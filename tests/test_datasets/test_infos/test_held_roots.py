"""Two converters do not write into one root at the same time."""

import os

import pytest

from projects.SRKD.base.errors import HeldError
from projects.SRKD.base.lock import folder_held
from projects.SRKD.datasets.infos.kitti import write_kitti_infos
from projects.SRKD.datasets.infos.nuscenes_detection import write_nuscenes_infos
from projects.SRKD.datasets.infos.pandaset import write_pandaset_infos
from projects.SRKD.datasets.infos.scannet200 import write_scannet200_masks
from projects.SRKD.datasets.infos.semantickitti import write_semantickitti_infos

WRITERS = [write_kitti_infos, write_nuscenes_infos, write_pandaset_infos, write_scannet200_masks,
           write_semantickitti_infos]  # fmt: skip


@pytest.mark.parametrize('write', WRITERS, ids=lambda write: write.__name__)
def test_a_second_converter_is_refused(write, tmp_path):
    with folder_held(tmp_path, 'x'), pytest.raises(HeldError, match='root of the data .* second'):
        write(tmp_path)
    with pytest.raises(FileNotFoundError):  # there is nothing to convert
        write(tmp_path)
    assert os.listdir(tmp_path) == []
