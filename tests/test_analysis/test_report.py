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
    table = comparison_table([Row('student', 0.12345, 0.2, 1_500_000, 4.0, 12.6)])
    cells = [cell.strip() for cell in table.splitlines()[-1].strip('|').split('|')]
    assert cells == ['student', '12.35', '20.00', '1.500', '4.00x', '13']


def test_spread_is_the_sample_deviation():
    of = spread([2.0, 4.0, 4.0, 6.0])
    assert of['mean'] == 4.0 and of['min'] == 2.0 and of['max'] == 6.0
    assert of['std'] == pytest.approx(math.sqrt(8 / 3))


def test_one_value_has_no_deviation():
    assert math.isnan(spread([1.0])['std'])
