"""KITTI's average precision in plain loops, from the rules of its development kit.

Polygons are shapely's. A frame is a dict of arrays as in a label file: name, truncated, occluded,
bbox (left, top, right, bottom), location (x, y, z of the bottom's center; y points down),
dimensions (length, height, width), rotation_y; detections also have a score.

Rules. An object of the class counts if it is taller in the image than 40, 25, 25 pixels (easy,
moderate, hard), occluded at most 0, 1, 2 and truncated at most 0.15, 0.3, 0.5. Other objects of the
class, Vans for Car and Person_sitting for Pedestrian may be found or missed without consequence. A
detection lower than that, of any class, is neither right nor wrong. In the image, detections on
DontCare regions are not wrong.
"""

import math
from collections import namedtuple

import shapely

HEIGHT = {'easy': 40, 'moderate': 25, 'hard': 25}
OCCLUDED = {'easy': 0, 'moderate': 1, 'hard': 2}
TRUNCATED = {'easy': 0.15, 'moderate': 0.3, 'hard': 0.5}
NEIGHBOR = {'Car': 'Van', 'Pedestrian': 'Person_sitting'}
Score = namedtuple('Score', 'ap11 ap40 area objects')
Box = namedtuple('Box', 'counts score index')  # of one frame


def footprint(frame, i):
    """Rectangle from above, in the plane of x and z; rotation_y turns x towards -z."""
    (x, _, z), (length, _, width) = frame['location'][i], frame['dimensions'][i]
    cos, sin = math.cos(frame['rotation_y'][i]), math.sin(frame['rotation_y'][i])
    corners = []
    for along, across in ((1, 1), (1, -1), (-1, -1), (-1, 1)):
        u, v = along * length / 2, across * width / 2
        corners.append((x + cos * u + sin * v, z - sin * u + cos * v))
    return shapely.Polygon(corners)


def overlap(view, first, i, second, j):
    """IoU of box i of the first frame and box j of the second: bbox, bev or 3d."""
    if view == 'bbox':
        a, b = (shapely.box(*frame['bbox'][k]) for frame, k in ((first, i), (second, j)))
    else:
        a, b = footprint(first, i), footprint(second, j)
    shared = shapely.intersection(a, b).area
    size_a, size_b = a.area, b.area
    if view == '3d':
        y_a, y_b = first['location'][i][1], second['location'][j][1]
        h_a, h_b = first['dimensions'][i][1], second['dimensions'][j][1]
        shared *= max(0, min(y_a, y_b) - max(y_a - h_a, y_b - h_b))
        size_a, size_b = size_a * h_a, size_b * h_b
    return shared / (size_a + size_b - shared) if shared else 0.0


def objects_of(frame, name, difficulty):
    """Objects that matter to a class; the others are as if not there."""
    found = []
    for i, other in enumerate(frame['name']):
        if other in (name, NEIGHBOR.get(name)):
            height = frame['bbox'][i][3] - frame['bbox'][i][1]
            counts = (
                other == name
                and height > HEIGHT[difficulty]
                and frame['occluded'][i] <= OCCLUDED[difficulty]
                and frame['truncated'][i] <= TRUNCATED[difficulty]
            )
            found.append(Box(counts, None, i))
    return found


def detections_of(frame, name, difficulty):
    """Detections that matter to a class."""
    found = []
    for j, other in enumerate(frame['name']):
        low = frame['bbox'][j][3] - frame['bbox'][j][1] < HEIGHT[difficulty]
        if low or other == name:
            found.append(Box(not low, frame['score'][j], j))
    return found


def first_hits(objects, detections, pairs):
    """Scores of the hits if every detection is taken: each object takes the surest upon it."""
    taken, scores = set(), []
    for thing in objects:
        free = [box for box in detections
                if box.index not in taken and (box.index, thing.index) in pairs]  # fmt: skip
        if free:
            best = max(free, key=lambda box: box.score)
            taken.add(best.index)
            if thing.counts and best.counts:
                scores.append(best.score)
    return scores


def count(objects, detections, pairs, stuff, threshold):
    """Hits and false alarms at a threshold: each object takes the best counting box upon it."""
    boxes, taken, hits = [box for box in detections if box.score >= threshold], set(), 0
    for thing in objects:
        free = [box for box in boxes
                if box.index not in taken and (box.index, thing.index) in pairs]  # fmt: skip
        good = [box for box in free if box.counts]
        if good:
            best = max(good, key=lambda box: pairs[box.index, thing.index])
            taken.add(best.index)
            hits += thing.counts
        elif free:
            taken.add(free[0].index)
    false = [box for box in boxes if box.counts and box.index not in taken]
    return hits, sum(box.index not in stuff for box in false)


def recall_steps(scores, objects, steps=40):
    """Of the hits' scores, those whose recall comes nearest to 0, 1 / 40, ... 1.

    The development kit adds the steps up. Often two hits are equally near, and what the sum has
    lost by rounding decides: exact fractions move AP40 by up to 0.6.
    """
    scores, kept, wanted = sorted(scores, reverse=True), [], 0.0
    for i, score in enumerate(scores):
        here, following = (i + 1) / objects, (i + 2) / objects
        if i == len(scores) - 1 or following - wanted >= wanted - here:
            kept.append(score)
            wanted += 1 / steps
    return kept


def kitti_ap(truth, found, view, name, difficulty, min_overlap):
    """AP11, AP40 and the area under the curve in percent, and the number of objects.

    Overlaps of a frame are kept in ``truth[i]['pairs']``.
    """
    frames, scores, objects = [], [], 0
    for true, guess in zip(truth, found):
        cache = true.setdefault('pairs', {})
        things, boxes = objects_of(true, name, difficulty), detections_of(guess, name, difficulty)
        pairs, stuff = {}, set()
        for box in boxes:
            for thing in things:
                key = view, box.index, thing.index
                if key not in cache:
                    cache[key] = overlap(view, guess, box.index, true, thing.index)
                if cache[key] > min_overlap:
                    pairs[key[1:]] = cache[key]
            if view == 'bbox':
                region = shapely.box(*guess['bbox'][box.index])
                for i, other in enumerate(true['name']):
                    if other == 'DontCare':
                        covered = shapely.intersection(region, shapely.box(*true['bbox'][i])).area
                        if covered / region.area > min_overlap:
                            stuff.add(box.index)
        frames.append((things, boxes, pairs, stuff))
        objects += sum(thing.counts for thing in things)
        scores += first_hits(things, boxes, pairs)

    def curve(thresholds):
        points = []
        for threshold in thresholds:
            counts = [count(*frame, threshold) for frame in frames]
            hits, false = (sum(each) for each in zip(*counts))
            points.append((hits, hits / (hits + false) if hits else 0.0))
        return points

    points = curve(recall_steps(scores, objects))
    best = [max(p for _, p in points[i:]) for i in range(len(points))] + [0.0] * 41
    points, area = sorted(curve(sorted(set(scores)))), 0.0
    for i, (hits, _) in enumerate(points):
        before = points[i - 1][0] if i else 0
        area += (hits - before) / objects * max(p for _, p in points[i:])
    return Score(100 * sum(best[0:41:4]) / 11, 100 * sum(best[1:41]) / 40, 100 * area, objects)
