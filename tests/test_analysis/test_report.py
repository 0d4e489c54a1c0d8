import math

import pytest

from projects.SRKD.analysis.report import Row, comparison_table, markdown_table, spread


def test_table_columns_line_up():
    lines = markdown_table(['network', 'mIoU'], [['a', '1.00'], ['teacher', '12.00']]).splitlines()
    assert lines == [
        '| network |  mIoU |',
        '|:--------|------:|',
        '| a       |  1.00 |',
        '| teacher | 12.00 |',
    ]


def test_comparison_is_in_percent_millions_and_milliseconds():
    scores = {'mIoU': [12.346], 'Car': [20.0, 7.0]}
    table = comparison_table([Row('student', scores, 1_500_000, 4.0, 2.344e9, 12.6)])
    titles, _, cells = ([cell.strip() for cell in line.strip('|').split('|')]
                        for line in table.splitlines())  # fmt: skip
    assert titles == ['network', 'mIoU', 'Car', 'params (M)', 'ratio', 'GFLOPs', 'ms/scene']
    assert cells == ['student', '12.35', '20.00 / 7.00', '1.500', '4.00x', '2.34', '13']


def test_spread_is_the_sample_deviation():
    of = spread([2.0, 4.0, 4.0, 6.0])
    assert of['mean'] == 4.0 and of['min'] == 2.0 and of['max'] == 6.0
    assert of['std'] == pytest.approx(math.sqrt(8 / 3))


def test_one_value_has_no_deviation():
    assert math.isnan(spread([1.0])['std'])
