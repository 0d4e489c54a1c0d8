from toy_work_dir import body

from projects.SRKD.analysis.page.networks import Network
from projects.SRKD.analysis.page.scores import scores


def network(name, role='other', **values):
    return Network(name, role, None, None, values, 'tools/test.py, a')


def test_classes_are_in_percent_and_means_come_last():
    alone = network('alone', wall=0.5, miou=0.25, door=float('nan'), time=3.0)
    teacher = network('teacher', miou=0.75, wall=0.8, floor=1.0)
    text = body(scores([alone, teacher])).text
    assert 'IoU, percent alone teacher wall 50.00 80.00 door floor 100.00 miou 25.00 75.00' in text
    assert 'alone: tools/test.py, a' in text and 'time' not in text.split('alone: ')[0]


def test_detectors_show_moderate_objects_and_fold_the_rest():
    lead = 'Kitti metric/pred_instances_3d/KITTI/'
    few, many = f'{lead}Car_3D_AP40_moderate_strict', f'{lead}Car_3D_AP11_easy_loose'
    text = body(scores([network('a', **{few: 12.345, many: 50.0})])).text
    first, folded = text.split('all scores')
    assert 'Car_3D_AP40_moderate_strict 12.35' in first and 'easy' not in first
    assert 'Car_3D_AP11_easy_loose 50.00' in folded


def test_what_was_not_tested_is_said():
    page = body(scores([network('a'), network('b', miou=0.1)]))
    assert 'scores of a: it was not tested' in page.text and 'tools/test.py CONFIG' in page.text
    assert 'no network has been tested' in body(scores([network('a')])).text
