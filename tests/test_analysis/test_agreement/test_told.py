import torch

from projects.SRKD.analysis.agreement.comparison import TAUGHT, TEACHER, Comparison
from projects.SRKD.analysis.agreement.places import STREET
from projects.SRKD.analysis.agreement.told import told


def test_tables_say_what_was_found():
    of = Comparison([TEACHER, TAUGHT], 3, STREET)
    right, wrong = torch.tensor([[9.0, 0, 0]] * 4), torch.tensor([[0, 9.0, 0]] * 4)
    points = torch.tensor([[5.0, 0, 0], [15.0, 0, 0], [15.0, 0, 0], [25.0, 0, 0]])
    wrong[0] = right[0]
    of.add(points, torch.zeros(4), {TEACHER: right, TAUGHT: wrong},
           {name: dict(backbone=right) for name in of.names})  # fmt: skip
    lines = [[cell.strip() for cell in line.strip('|').split('|')]
             for line in told(of.result(), ['car', 'person', 'tree']).splitlines()]  # fmt: skip
    assert ['car', '100.00', '25.00'] in lines and ['tree', '-', '-'] in lines
    assert ['person', '-', '0.00'] in lines
    assert ['distilled beside teacher', '25.00', '0.00', '75.00', '0.00'] in lines
    assert ['10 .. 20', '2', '100.00', '0.00'] in lines and ['50 ..', '0', '-', '-'] in lines
    assert ['2 .. 4', '2', '100.00', '0.00'] in lines
    assert ['0.93 .. 1.00', '100.00 of 4', '25.00 of 4'] in lines
    assert ['one class, percent', '25.00'] in lines
