"""Distillation: a frozen teacher, a trained student, and the terms between their features."""

from ..ops.grid import DetectionGrid
from .balance import FirstStepsBalance
from .cache.cached_teacher import CachedTeacher
from .connectors import LinearConnector, MLPConnector
from .detector import DistillDetector
from .detector_matching import DetectorMatcher, DetectorView
from .detector_teacher import DetectorTeacher
from .features import Features, read_features
from .from_teacher import FromShuffledTeacher, FromTeacher
from .live_teacher import LiveTeacher
from .matched_points import MatchedPoints, Matcher
from .matching import PointMatcher, VoxelView
from .model import DistillModel
from .segmentor import DistillSegmentor
from .taps import Taps
from .teacher import Teacher
from .terms import DistillTerm

__all__ = [
    'CachedTeacher',
    'DetectionGrid',
    'DetectorMatcher',
    'DetectorTeacher',
    'DetectorView',
    'DistillDetector',
    'DistillModel',
    'DistillSegmentor',
    'DistillTerm',
    'Features',
    'FirstStepsBalance',
    'FromShuffledTeacher',
    'FromTeacher',
    'LinearConnector',
    'LiveTeacher',
    'MLPConnector',
    'MatchedPoints',
    'Matcher',
    'PointMatcher',
    'Taps',
    'Teacher',
    'VoxelView',
    'read_features',
]
