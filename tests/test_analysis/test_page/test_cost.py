from toy_page import frame
from toy_work_dir import body

from projects.SRKD.analysis.page.cost import cost
from projects.SRKD.analysis.page.networks import Network
from projects.SRKD.analysis.page.seen import Seen


def test_cost_stands_against_the_main_score():
    teacher = Network('teacher', 'teacher', None, None, dict(miou=0.5, wall=0.9), 'a')
    seen = frame()
    seen.left_out = ['alone: torn']
    page = body(cost(seen, [teacher]))
    assert 'Left out: alone: torn' in page.text
    ((title, content),) = page.data['chart'].items()
    assert title.startswith('miou against operations')
    (trace,) = content['data']
    assert trace['x'] == [2.0] and trace['y'] == [0.5]
    assert 'teacher 0.5000 1,000 2.00 2.0' in page.text


def test_without_scores_there_is_a_table_and_without_costs_a_command():
    bare = Network('teacher', 'teacher', None, None, {}, '')
    page = body(cost(frame(), [bare]))
    assert page.data == {} and 'teacher 1,000 2.00 2.0' in page.text
    text = body(cost(Seen(lacking='scans: none'), [bare])).text
    assert 'scans: none' in text and 'complexity.py CONFIG' in text
