"""Networks that have looked at the toy rooms, and detectors that have looked at a frame."""

import numpy as np
from toy import minkunet, save_checkpoint
from toy_rooms import write_room_config

from projects.SRKD.analysis.complexity import Complexity
from projects.SRKD.analysis.networks import read_plain
from projects.SRKD.analysis.page.networks import Network
from projects.SRKD.analysis.page.seen import Scan, Seen
from projects.SRKD.visualization.detection_picture import Boxes


def room_networks(folder):
    """A student alone and a teacher, with weights, on the toy rooms below a folder."""
    found = []
    for name, role, width in (('student alone', 'alone', 4), ('teacher', 'teacher', 8)):
        model = minkunet(width, num_classes=20)
        (folder / role).mkdir()
        config = read_plain(write_room_config(folder / role, model))
        weights = save_checkpoint(model, folder / role / 'a.pth', seed=width)
        scores = dict(miou=0.1 * width)
        found.append(Network(name, role, config, type(folder)(weights), scores, 'tools/test.py'))
    return found


def frame():
    """A frame with two objects, and a detector that finds one, and something that is not there."""
    points = np.random.default_rng(0).uniform(0, 40, (5000, 3))
    car, person = (10, 10, 0, 4, 2, 1.5, 0), (20, 5, 0, 1, 1, 2, 0)
    truth = Boxes(np.array([car, person], float), np.array([0, 1]))
    found = Boxes(np.array([car, (30, 30, 0, 4, 2, 1.5, 0), person], float), np.array([0, 0, 1]),
                  np.array([0.9, 0.8, 0.1]))  # fmt: skip
    scan = Scan('0: 000000', points, truth, dict(teacher=found))
    cost = Complexity(1000, dict(conv=2e9), (1.0, 2.0, 3.0), None)
    return Seen(classes=('Car', 'Pedestrian'), scans=[scan], costs=dict(teacher=cost),
                reach=(0, 0, -3, 40, 40, 1))  # fmt: skip
