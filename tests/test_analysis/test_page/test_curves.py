import pytest
from toy import minkunet
from toy_rooms import write_room_config
from toy_work_dir import body, steps_of, write_run

from projects.SRKD.analysis.page.curves import curves, loss_names, weight_of
from projects.SRKD.analysis.page.work_dir import read_run

MODEL = minkunet(4, num_classes=20)


@pytest.fixture
def taught(tmp_path):
    term = dict(student_tap='a', loss=dict(type='SoftTargetKLLoss', loss_weight=0.3))
    student = MODEL | dict(decode_head=MODEL['decode_head'] | dict(
        loss_lovasz=dict(type='LovaszLoss', loss_weight=2.0)))  # fmt: skip
    whole = dict(type='DistillSegmentor', student=student, teacher=dict(config='x'),
                 terms=dict(kd=term, plain=dict(student_tap='a', loss=dict(type='A'))))  # fmt: skip
    return write_room_config(tmp_path, whole, 'kd_pair.py')


def losses(**others):
    return steps_of(4.0, 3.0, loss_kd=[0.5, 0.25], loss_sem_seg=[2.0, 1.0], **others)


def test_every_loss_has_its_curve_and_its_weight(taught, tmp_path):
    run = read_run(write_run(tmp_path / 'r', taught, losses(loss_plain=[1.0, 1.0]),
                             [dict(miou=0.2, step=1), dict(miou=0.4, step=2)]))  # fmt: skip
    assert loss_names(run) == ['loss', 'loss_kd', 'loss_plain', 'loss_sem_seg']
    page = body(curves([run])).data['chart']
    drawn = {one['name']: one['y'] for one in page['losses of r, as they enter the total']['data']}
    assert drawn == {
        'loss': [4.0, 3.0], 'loss_kd (weight 0.3)': [0.5, 0.25],
        'loss_plain (weight 1)': [1.0, 1.0], 'loss_sem_seg (weight 1)': [2.0, 1.0],
    }  # fmt: skip
    (validation,) = page['main score of the validations of r']['data']
    assert validation['x'] == [1, 2] and validation['y'] == [0.2, 0.4]
    assert weight_of(run, 'loss_lovasz') == '2' and weight_of(run, 'loss_other') == ''


def test_a_balanced_weight_is_that_of_the_log(taught, tmp_path):
    run = read_run(write_run(tmp_path / 'r', taught, losses(kd_weight=[1.0, 0.125])))
    assert weight_of(run, 'loss_kd') == '0.125 at the end, balanced'


def test_gradients_are_drawn_where_they_were_logged(taught, tmp_path):
    steps = losses(kd_grad_norm=[0.5, 0.75], task_grad_norm=[1.0, 2.0], grad_norm=[3.0, 3.0])
    run = read_run(write_run(tmp_path / 'r', taught, steps))
    page = body(curves([run]))
    traces = page.data['chart']['gradient norm of each term in the student, r']['data']
    assert {one['name']: one['y'] for one in traces} == dict(kd=[0.5, 0.75], task=[1.0, 2.0])
    run = read_run(write_run(tmp_path / 's', taught, losses()))
    assert 'gradients.type=GradientLogHook' in body(curves([run])).text


def test_a_loss_that_is_no_number_leaves_a_gap(taught, tmp_path):
    run = read_run(write_run(tmp_path / 'r', taught, steps_of(1.0, float('nan'))))
    (trace,) = body(curves([run])).data['chart']['losses of r, as they enter the total']['data']
    assert trace['y'] == [1.0, None]


def test_without_a_step_the_page_says_what_to_run(taught, tmp_path):
    run = read_run(write_run(tmp_path / 'r', taught))
    assert 'at least one logged step' in body(curves([run])).text
