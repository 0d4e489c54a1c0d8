"""``np.long``, gone from numpy 1.24 to 1.26.

Breaks: ``AttributeError: module 'numpy' has no attribute 'long'``.
Where: mmdet3d 1.4.0 ``datasets/transforms/dbsampler.py`` (ground-truth sampling of KITTI and
    nuScenes detection); mmdet 3.3.0 ``datasets/transforms/text_transformers.py``.
Delete when: numpy 2 can be required (it has the name again) or mmdet3d no longer uses it.
"""

import numpy as np

NEEDED = 'long' not in vars(np)  # asking numpy itself warns


def apply() -> bool:
    """Give numpy its old name for the default integer back, unless it has it."""
    if NEEDED:
        np.long = np.int_
    return NEEDED
