"""Every family that cannot be distilled is refused while building, with what can be."""

import pytest
from mmdet3d.registry import MODELS
from mmengine.hub import get_config
from toy import KD, minkunet
from toy_detectors import pointpillars

from projects.SRKD.base import UsageError

SEGMENTORS = {
    'cylinder3d/cylinder3d_4xb4-3x_semantickitti.py': 'type=Cylinder3D lays points into cylindr',
    'spvcnn/spvcnn_w20_8xb2-amp-15e_semantickitti.py': 'SPVCNNBackbone needs torchs',
    'pointnet2/pointnet2_ssg_2xb16-cosine-200e_scannet-seg.py': 'makes no voxels.*PointNet2SASSG',
    'pointnet2/pointnet2_msg_2xb16-cosine-80e_s3dis-seg.py': 'makes no voxels.*PointNet2SAMSG',
    'dgcnn/dgcnn_4xb32-cosine-100e_s3dis-seg_test-area5.py': 'makes no voxels.*DGCNNBackbone',
    'paconv/paconv_ssg_8xb8-cosine-150e_s3dis-seg.py': 'makes no voxels.*PointNet2SASSG',
}
DETECTORS = {
    'smoke/smoke_dla34_dlaneck_gn-all_4xb8-6x_kitti-mono3d.py': 'type=SMOKEMono3D reads images',
    'pgd/pgd_r101-caffe_fpn_head-gn_4xb3-4x_kitti-mono3d.py': 'type=FCOSMono3D reads images',
    'imvoxelnet/imvoxelnet_8xb4_kitti-3d-car.py': 'type=ImVoxelNet reads images',
    'mvxnet/mvxnet_fpn_dv_second_secfpn_8xb2-80e_kitti-3d-3class.py': 'img_backbone: .*beside poi',
}


def refused(kind, role, other, network, message):
    pair = dict(student=other, teacher=other)
    pair[role] = network
    teacher = dict(config=pair['teacher'], checkpoint='teacher.pth')
    with pytest.raises(UsageError, match=f'{role}.*{message}.*expected a'):
        MODELS.build(dict(type=kind, student=pair['student'], teacher=teacher, terms=dict(kd=KD)))


@pytest.mark.parametrize('role', ['student', 'teacher'])
@pytest.mark.parametrize(('config', 'message'), SEGMENTORS.items())
def test_segmentors_without_cubic_voxels_are_refused(config, message, role):
    network = get_config(f'mmdet3d::{config}').model
    refused('DistillSegmentor', role, minkunet(8), network, message)


@pytest.mark.parametrize('role', ['student', 'teacher'])
@pytest.mark.parametrize(('config', 'message'), DETECTORS.items())
def test_detectors_that_read_images_are_refused(config, message, role):
    network = get_config(f'mmdet3d::{config}').model
    refused('DistillDetector', role, pointpillars(), network, message)
