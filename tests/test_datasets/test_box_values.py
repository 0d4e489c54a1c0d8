import numpy as np
import pytest

from projects.SRKD.base import UsageError
from projects.SRKD.datasets.box_values import check_boxes

CAR = [9.0, 2.0, -1.0, 3.9, 1.6, 1.5, 0.1]


def test_boxes_of_things_pass_and_none_at_all():
    check_boxes(np.array([CAR, CAR]), 'x')
    check_boxes(np.zeros((0, 7)), 'x')


def test_a_box_seen_once_has_no_velocity():
    check_boxes(np.array([[*CAR, np.nan, np.nan]]), 'x')


@pytest.mark.parametrize('column', range(7))
@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_number_that_is_none_is_refused(column, value):
    boxes = np.array([CAR, CAR])
    boxes[1, column] = value
    with pytest.raises(UsageError, match='box 1 of 2, .* which 1.bin has: .*finite'):
        check_boxes(boxes, '1.bin has')


@pytest.mark.parametrize('side', [3, 4, 5])
@pytest.mark.parametrize('value', [0.0, -1.5, 1e4])
def test_a_box_without_a_possible_side_is_refused(side, value):
    boxes = np.array([CAR])
    boxes[0, side] = value
    with pytest.raises(UsageError, match='sides must be positive and at most 200 m'):
        check_boxes(boxes, '1.bin has')


@pytest.mark.parametrize('speed', [np.inf, -1e9])
def test_a_box_faster_than_anything_on_a_road_is_refused(speed):
    with pytest.raises(UsageError, match='speeds must be at most 200 m/s'):
        check_boxes(np.array([[*CAR, 3.0, speed]]), '1.bin has')


def test_a_box_beyond_every_sensor_is_refused():
    boxes = np.array([CAR])
    boxes[0, 0] = 5411933
    with pytest.raises(UsageError, match='centers must lie within 10000 m'):
        check_boxes(boxes, '1.bin has')
