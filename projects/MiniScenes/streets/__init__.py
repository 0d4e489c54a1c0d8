"""Procedural streets in the layouts of SemanticKITTI, nuScenes and KITTI, where there is no data.

They exercise everything real drives do (rare classes, occlusion, thinning with range, motion, ego
poses) and stand for no public benchmark. The flow: ``solids`` and ``kinds`` make ``vehicles``,
``people`` and ``roadside``; ``blocks`` rows them up along the ``street`` on its ``ground``;
``lidar`` casts its rays; ``scan`` joins these; the writers write the files.
"""

from .kitti_writer import write_kitti
from .nuscenes_tables import write_nuscenes_detection
from .nuscenes_writer import write_nuscenes
from .scan import StreetScan, scan_street
from .semantickitti_writer import write_semantickitti

__all__ = [
    'StreetScan',
    'scan_street',
    'write_kitti',
    'write_nuscenes',
    'write_nuscenes_detection',
    'write_semantickitti',
]
