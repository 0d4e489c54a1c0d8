"""Distillation: a frozen teacher, a trained student, and the terms between their features."""

from .connectors import LinearConnector, MLPConnector
from .features import Features, read_features
from .matching import MatchedPoints, PointMatcher, VoxelView
from .model import DistillModel
from .segmentor import DistillSegmentor
from .taps import Taps
from .teacher import Teacher
from .terms import DistillTerm

__all__ = [
    'DistillModel',
    'DistillSegmentor',
    'DistillTerm',
    'Features',
    'LinearConnector',
    'MLPConnector',
    'MatchedPoints',
    'PointMatcher',
    'Taps',
    'Teacher',
    'VoxelView',
    'read_features',
]
