"""Which scenes meet in a batch, and how they are loaded."""

from . import augmentation
from .batches.cross_sample_batch_sampler import CrossSampleBatchSampler
from .batches.labeled_batch_sampler import LabeledBatchSampler
from .batches.scene_statistics import SceneStatistics, scene_statistics
from .chosen_views import ChosenViews
from .data_root import check_data_root
from .database_sampler import CheckedDataBaseSampler, CheckedObjectSample
from .few_labels.labeled_scans import LabeledScans
from .few_labels.partial_labels import PartialLabels, UnlabeledScans
from .few_labels.unlabeled_frames import UnlabeledFrames
from .infos.pandaset import write_pandaset_infos
from .label_map_dataset import LabelMapSegDataset
from .loading import (
    LoadAnnotations3D,
    LoadPointsChecked,
    LoadPointsFromFile,
    LoadPointsFromMultiSweeps,
    LoadSegAnnotationsChecked,
)
from .normals import AddNormals
from .nuscenes_lidarseg_dataset import NuScenesLidarSegDataset
from .point_steps import AddPointIdentity, DivideIntensity
from .replay_views import ReplayViews
from .scannet_dataset import ScanNetEverySceneDataset
from .sweeps import IgnoreSweepPoints, LoadPreviousScans

__all__ = [
    'AddNormals',
    'AddPointIdentity',
    'CheckedDataBaseSampler',
    'CheckedObjectSample',
    'ChosenViews',
    'CrossSampleBatchSampler',
    'DivideIntensity',
    'IgnoreSweepPoints',
    'LabelMapSegDataset',
    'LabeledBatchSampler',
    'LoadAnnotations3D',
    'LoadPointsChecked',
    'LoadPointsFromFile',
    'LoadPointsFromMultiSweeps',
    'LoadPreviousScans',
    'LoadSegAnnotationsChecked',
    'NuScenesLidarSegDataset',
    'LabeledScans',
    'PartialLabels',
    'ReplayViews',
    'ScanNetEverySceneDataset',
    'SceneStatistics',
    'UnlabeledFrames',
    'UnlabeledScans',
    'augmentation',
    'check_data_root',
    'scene_statistics',
    'write_pandaset_infos',
]
