import matplotlib.image
import numpy as np
import pytest
from matplotlib import colormaps

from projects.SRKD.visualization.detection_picture import Boxes, count_found, draw_boxes, outlines

CLASSES = ['Car', 'Cyclist']
REACH = [0, -10, -3, 20, 10, 1]
CAR = [8.0, 4.0, 0.0, 4.0, 2.0, 1.5, 0.3]
BIKE = [14.0, -5.0, 0.0, 2.0, 0.8, 1.5, -1.0]


def boxes(rows, labels, scores=None):
    return Boxes(
        np.array(rows, float).reshape(-1, 7),
        np.array(labels, int),
        None if scores is None else np.array(scores, float),
    )


TRUTH = boxes([CAR, BIKE], [0, 1])
POINTS = np.random.default_rng(0).uniform((0, -10), (20, 10), (3000, 2))


def amount(picture, color, columns=slice(None)):
    """Share of the pixels that have a color."""
    return (np.abs(picture[:, columns, :3] - color) < 0.08).all(-1).mean()


def test_outline_is_that_of_mmdet3d_and_points_ahead():
    from mmdet3d.structures import LiDARInstance3DBoxes

    drawn = outlines(TRUTH.boxes)
    corners = LiDARInstance3DBoxes(TRUTH.boxes).corners[:, [0, 3, 4, 7], :2].numpy()  # (2, 4, 2)
    for line, of in zip(drawn, corners):
        apart = np.abs(line[:4, None] - of).max(-1)
        assert (apart.min(1) < 1e-5).all() and (apart.min(0) < 1e-5).all()
    ahead = drawn[:, 5] - drawn[:, 6]
    assert np.arctan2(ahead[:, 1], ahead[:, 0]) == pytest.approx(TRUTH.boxes[:, 6])


@pytest.mark.parametrize('rows, labels, scores, expected', [
    ([CAR, BIKE], [0, 1], [0.9, 0.8], (2, 0)),
    ([CAR, CAR], [0, 0], [0.9, 0.8], (1, 1)),  # an object counts once
    ([CAR, BIKE], [1, 0], [0.9, 0.8], (0, 2)),  # of another class
    ([[12.0, 8, *CAR[2:]]], [0], [0.9], (0, 1)),
    ([], [], [], (0, 0)),
])  # fmt: skip
def test_objects_found_and_false_boxes_are_counted(rows, labels, scores, expected):
    assert count_found(TRUTH, boxes(rows, labels, scores), 0.5) == expected


def test_the_better_box_takes_the_object_and_what_is_not_looked_for_excuses():
    near = [8.1, *CAR[1:]]
    assert count_found(TRUTH, boxes([near, CAR], [0, 0], [0.2, 0.9]), 0.5) == (1, 1)
    van = boxes([CAR], [-1])
    assert count_found(van, boxes([CAR], [0], [0.9]), 0.5) == (0, 0)


def test_picture_shows_each_class_where_it_was_found(tmp_path):
    found = {'blind': boxes([], [], []), 'good': boxes([CAR, BIKE], [0, 1], [0.9, 0.8])}
    draw_boxes(POINTS, TRUTH, found, CLASSES, tmp_path / 'a.png', 'frame', REACH)
    picture = matplotlib.image.imread(tmp_path / 'a.png')
    picture = picture[: int(0.9 * len(picture))]  # without the legend
    third = picture.shape[1] // 3
    for name in range(2):
        color = colormaps['tab10'](name)[:3]
        left, middle, right = (amount(picture, color, slice(i * third, (i + 1) * third))
                               for i in range(3))  # fmt: skip
        assert left > 5e-4 and right > 5e-4 and middle == 0


def test_left_is_left_and_ahead_is_up(tmp_path):
    draw_boxes(np.zeros((1, 2)), boxes([CAR], [0]), {}, CLASSES, tmp_path / 'a.png', reach=REACH)
    picture = matplotlib.image.imread(tmp_path / 'a.png')
    color = colormaps['tab10'](0)[:3]
    shown = (np.abs(picture[..., :3] - color) < 0.08).all(-1)
    shown[int(0.9 * len(shown)) :] = False  # the legend
    rows, columns = shown.nonzero()
    # 4 m to the left and 8 of 20 m ahead
    assert columns.mean() < 0.4 * picture.shape[1] and rows.mean() > 0.5 * picture.shape[0]


def test_boxes_of_low_score_are_left_out(tmp_path):
    for score in (0.29, 0.31):
        draw_boxes(POINTS, boxes([], []), {'net': boxes([CAR], [0], [score])}, CLASSES,
                   tmp_path / f'{score}.png', reach=REACH)  # fmt: skip
    color = colormaps['tab10'](0)[:3]
    faint, clear = (amount(matplotlib.image.imread(tmp_path / f'{score}.png'), color)
                    for score in (0.29, 0.31))  # fmt: skip
    assert clear > faint + 5e-4


def test_boxes_without_as_many_scores_are_refused(tmp_path):
    for scores, number in ([0.5], 1), (None, 0):
        with pytest.raises(ValueError, match=f'net has 2 boxes, 2 labels and {number} scores'):
            draw_boxes(POINTS, TRUTH, {'net': boxes([CAR, BIKE], [0, 1], scores)}, CLASSES,
                       tmp_path / 'a.png')  # fmt: skip


def test_boxes_alone_are_drawn_where_objects_are_unknown(tmp_path):
    found = {'net': boxes([CAR], [0], [0.9])}
    draw_boxes(POINTS, None, found, CLASSES, tmp_path / 'a.png')
    color = colormaps['tab10'](0)[:3]
    assert amount(matplotlib.image.imread(tmp_path / 'a.png'), color) > 5e-4
