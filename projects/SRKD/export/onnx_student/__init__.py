"""A student at its place of work: numpy and onnxruntime, nothing else of this project.

Copy this folder and the ONNX file; ``python -m onnx_student STUDENT.onnx SCAN.bin`` runs there.
"""

from .student import OnnxStudent
from .voxels import hard_pillars, point_pillars

__all__ = ['OnnxStudent', 'hard_pillars', 'point_pillars']
