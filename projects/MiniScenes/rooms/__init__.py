"""Procedural rooms in ScanNet's layout, for machines without data: ``tools/make_mini_data.py``.

They exercise everything real scans do (20 classes, clutter, occlusion, uneven density, missing
labels) and stand for no public benchmark. The flow: ``surfaces`` and ``materials`` make
``furniture`` and ``fixtures``; ``rooms`` places them by ``layout``; ``sensor`` looks at the room;
``scan`` joins these; ``scannet_writer`` writes the files.
"""

from .scan import Scan, make_scan, room_kind
from .scannet_writer import write_scannet

__all__ = ['Scan', 'make_scan', 'room_kind', 'write_scannet']
