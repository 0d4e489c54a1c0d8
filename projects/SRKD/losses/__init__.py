"""Distillation losses: one equation per file, tensors in, a 0-d tensor out; torch only."""

from ..ops.pooling import points_per_voxel
from .affinity import affinity_mse
from .ambra import PointAffinityLoss, VoxelAffinityLoss
from .anchor_boxes import AnchorBoxLoss
from .anchor_logits import AnchorLogitLoss
from .attention_transfer import AttentionTransferLoss
from .centre_regression import CentreRegressionLoss
from .channel_kl import ChannelKLLoss, VoxelChannelKLLoss, channel_kl
from .cross_sample_affinity import CrossSampleAffinityLoss
from .cross_sample_kl import cross_sample_kl
from .feature_mse import FeatureMSELoss, feature_mse
from .foreground_mse import ForegroundMSELoss, foreground_mse
from .importance import channel_max
from .local_graph import local_graph_mse
from .local_graph_loss import LocalGraphLoss, PointCountLocalGraphLoss
from .partitions import CubePartition, CylinderPartition
from .pearson import PearsonLoss
from .pivotal_logits import PivotalHeatmapLoss
from .soft_target_kl import SoftTargetKLLoss, soft_target_kl
from .super_voxels import SuperVoxelSampler

__all__ = [
    'AnchorBoxLoss',
    'AnchorLogitLoss',
    'AttentionTransferLoss',
    'CentreRegressionLoss',
    'ChannelKLLoss',
    'CrossSampleAffinityLoss',
    'CubePartition',
    'CylinderPartition',
    'FeatureMSELoss',
    'ForegroundMSELoss',
    'LocalGraphLoss',
    'PearsonLoss',
    'PivotalHeatmapLoss',
    'PointAffinityLoss',
    'PointCountLocalGraphLoss',
    'SoftTargetKLLoss',
    'SuperVoxelSampler',
    'VoxelAffinityLoss',
    'VoxelChannelKLLoss',
    'affinity_mse',
    'channel_kl',
    'channel_max',
    'cross_sample_kl',
    'feature_mse',
    'foreground_mse',
    'local_graph_mse',
    'points_per_voxel',
    'soft_target_kl',
]
