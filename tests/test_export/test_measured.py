"""Errors by a loop in float64, and the table."""

import math

import numpy as np
import pytest

from projects.SRKD.export.measured import Row, headlines, output_error, table, timed


def test_the_error_is_that_of_the_worst_output():
    rng = np.random.default_rng(0)
    wanted = [{name: rng.normal(size=(2, 3)) for name in 'ab'} for _ in range(3)]
    found = [{name: value + rng.normal(size=(2, 3)) * 0.1 for name, value in scan.items()}
             for scan in wanted]  # fmt: skip
    errors = []
    for name in 'ab':
        off = of = 0.0
        for have, want in zip(found, wanted):
            for one, other in zip(have[name].flat, want[name].flat):
                off, of = off + (one - other) ** 2, of + other**2
        errors.append(math.sqrt(off / of))
    assert output_error(found, wanted) == pytest.approx(max(errors))


def test_the_error_of_an_output_that_is_zero_is_what_stands_there():
    zero = [dict(a=np.zeros(3))]
    assert output_error([dict(a=np.array([0, -0.25, 0]))], zero) == 0.25
    assert output_error(zero, zero) == 0


def test_each_scan_is_answered_and_timed():
    asked = []
    outputs, ms = timed(lambda scan: asked.append(scan) or scan, [dict(a=1), dict(a=2)])
    assert outputs == [dict(a=1), dict(a=2)] and len(asked) == 3 and ms >= 0


def test_scores_of_one_class_are_those_at_the_strict_overlap():
    names = ['Car_3D_AP40_moderate_strict', 'Car_3D_AP40_easy_strict', 'Car_3D_AP11_moderate_loose']
    assert headlines({f'KITTI/{name}': 2.0 for name in names}) == {names[0]: 2.0}
    assert headlines({'NuScenes metric/NDS': 0.3, 'mATE': 1}) == dict(NDS=0.3)


def test_the_table_has_a_line_for_each_network():
    rows = [
        Row('torch', None, 12.34, None, dict(miou=0.5)),
        Row('a.onnx', 12345, 6.0, 0.0123, dict(miou=0.25)),
    ]
    lines = table(rows).splitlines()
    cells = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    assert cells[0] == ['network', 'bytes', 'ms/scan', 'error', 'miou']
    assert cells[2] == ['torch', '-', '12.3', '-', '0.50']
    assert cells[3] == ['a.onnx', '12,345', '6.0', '0.012', '0.25']
