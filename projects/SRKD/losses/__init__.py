"""Distillation losses: one equation per file, tensors in, a 0-d tensor out; torch only."""

from ..base import renamed
from ..ops.pooling import points_per_voxel
from .attention_transfer import AttentionTransferLoss
from .channel_kl import ChannelKLLoss, VoxelChannelKLLoss, channel_kl
from .feature_mse import FeatureMSELoss, feature_mse
from .foreground_mse import ForegroundMSELoss, foreground_mse
from .logits.class_temperature_kl import ClassTemperatureKLLoss, class_temperature_kl
from .logits.confidence_kl import ConfidenceKLLoss, confidence_kl
from .logits.correct_teacher_kl import CorrectTeacherKLLoss, correct_teacher_kl
from .logits.pseudo_label import PseudoLabelLoss, pseudo_label_ce
from .logits.standardized_kl import StandardizedKLLoss, standardized_kl
from .pearson import PearsonLoss
from .pointdistiller.importance import channel_max
from .pointdistiller.local_graph import local_graph_mse
from .pointdistiller.local_graph_loss import LocalGraphLoss, PointCountLocalGraphLoss
from .soft_target_kl import SoftTargetKLLoss, soft_target_kl
from .sparsekd.anchor_boxes import AnchorBoxLoss
from .sparsekd.anchor_logits import AnchorLogitLoss
from .sparsekd.center_regression import CenterRegressionLoss
from .sparsekd.pivotal_logits import PivotalHeatmapLoss
from .srkd.affinity import affinity_mse
from .srkd.ambra import PointAffinityLoss, VoxelAffinityLoss
from .srkd.cross_sample_affinity import CrossSampleAffinityLoss
from .srkd.cross_sample_kl import cross_sample_kl
from .srkd.partitions import CubePartition, CylinderPartition
from .srkd.super_voxels import SuperVoxelSampler

CentreRegressionLoss = renamed('CentreRegressionLoss', CenterRegressionLoss)

__all__ = [
    'AnchorBoxLoss',
    'AnchorLogitLoss',
    'AttentionTransferLoss',
    'CenterRegressionLoss',
    'CentreRegressionLoss',
    'ChannelKLLoss',
    'ClassTemperatureKLLoss',
    'ConfidenceKLLoss',
    'CorrectTeacherKLLoss',
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
    'PseudoLabelLoss',
    'SoftTargetKLLoss',
    'StandardizedKLLoss',
    'SuperVoxelSampler',
    'VoxelAffinityLoss',
    'VoxelChannelKLLoss',
    'affinity_mse',
    'channel_kl',
    'channel_max',
    'class_temperature_kl',
    'confidence_kl',
    'correct_teacher_kl',
    'cross_sample_kl',
    'feature_mse',
    'foreground_mse',
    'local_graph_mse',
    'points_per_voxel',
    'pseudo_label_ce',
    'soft_target_kl',
    'standardized_kl',
]
