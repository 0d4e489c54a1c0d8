from dataclasses import replace
from pathlib import Path

import pytest

from studies.plan import Arm, Comparison, Figure, Plan, TeacherPlan
from studies.report import Report
from studies.run_store import Result, RunStore

CLAIM = Comparison('P1', 'kd', 'alone')
GAINS = [4.0, 5.0, 3.5, 4.5, 4.2, 3.8]


def arm(name, **changes):
    known = dict(config=Path('c.py'), epochs=None, options={}, teacher=None, pairs=tuple(range(6)))
    return Arm(name=name, **known | changes)


@pytest.fixture
def build(tmp_path):
    def build(scores, primary=(CLAIM,), **changes):
        arms = {name: arm(name) for name in scores} | changes.pop('arms', {})
        plan = dict(
            name='p',
            title='T',
            question='Q?',
            data=(),
            test=Path('c.py'),
            metrics=('miou',),
            teachers={},
            arms=arms,
            baseline='alone',
            primary=primary,
        )
        plan = Plan(**plan | changes)
        store = RunStore(plan, tmp_path)
        for name, values in scores.items():
            for pair, value in enumerate(values):
                known = dict(metrics=dict(miou=value / 100), seconds=60, cpu_seconds=60)
                store.write(Result('p', name, pair, 'k', 'c', plan.claims, 'abc', **known))
        return Report(plan, store)

    return build


def pairs(base, gains=GAINS):
    alone = [base + i for i in range(len(gains))]
    return alone, [a + g for a, g in zip(alone, gains, strict=True)]


def test_differences_are_taken_pair_by_pair(build):
    alone, kd = pairs(30)
    report = build(dict(alone=alone, kd=kd))
    found = report.difference(report.plan.primary[0])
    assert found.gains == pytest.approx(GAINS)
    assert '| P1: kd - alone |     6 |      +4.17 |' in report.text()
    assert '**shown**' in report.text()


def test_pairs_that_one_arm_lacks_are_left_out(build):
    alone, kd = pairs(30)
    report = build(dict(alone=alone, kd=kd[:4]))
    assert report.difference(report.plan.primary[0]).pairs == 4
    assert (
        '**too few pairs**' in report.text() and '**Not finished: 10 of 12 runs.**' in report.text()
    )


def test_a_control_that_gains_a_quarter_ends_the_claim(build):
    alone, kd = pairs(30)
    control = (Comparison('C', 'blank', 'alone', ends=('P1',)),)
    weak = build(dict(alone=alone, kd=kd, blank=[a + 0.5 for a in alone]), control=control)
    assert weak.verdicts()['P1'].value == 'shown'
    strong = build(dict(alone=alone, kd=kd, blank=[a + 1.5 for a in alone]), control=control)
    assert strong.verdicts()['P1'].value == 'not shown'
    assert 'its control C gains +1.50, a quarter of it or more' in strong.text()


def test_a_claim_whose_control_has_not_run_is_not_shown(build):
    alone, kd = pairs(30)
    control = (Comparison('C', 'blank', 'alone', ends=('P1',)),)
    report = build(dict(alone=alone, kd=kd), control=control, arms=dict(blank=arm('blank')))
    assert report.verdicts()['P1'].value == 'not shown'
    assert 'its control C has not run in all pairs' in report.text()


def test_a_loss_is_said_to_cost(build):
    alone, kd = pairs(30, [-gain for gain in GAINS])
    text = build(dict(alone=alone, kd=kd)).text()
    assert '**not shown**' in text and 'the interval lies below zero' in text


def test_what_was_not_shown_says_how_many_pairs_it_needs(build):
    alone, kd = pairs(30, [4.0, -3.0, 2.0, -1.0, 3.0, -2.0])
    assert 'needs about' in build(dict(alone=alone, kd=kd)).text()


def test_a_teacher_that_hardly_leads_makes_a_bench_that_cannot_tell(build):
    alone, kd = pairs(30)
    report = build(dict(alone=alone, kd=kd), teachers=dict(good=TeacherPlan(Path('t.py'))))
    report.store.write(Result('p', 'teacher_good', 0, 'k', 'c', '', 'abc', dict(miou=0.34)))
    assert '| good    | 34.00 |          +1.50 | this bench cannot tell |' in report.text()
    report.store.write(Result('p', 'teacher_good', 0, 'k', 'c', '', 'abc', dict(miou=0.5)))
    assert 'cannot tell' not in report.text()


def test_an_arm_is_flat_or_still_climbing_over_its_half(build):
    arms = dict(long=arm('long', shorter='alone'), longer=arm('longer', shorter='long'))
    scores = dict(alone=[30.0, 31.0], long=[35.0, 36.0], longer=[35.5, 36.5], kd=[1.0, 2.0])
    text = build(scores, arms=arms).text()
    assert 'still climbing (+5.0 over alone)' in text and 'flat (+0.5 over long)' in text


def test_claims_that_changed_after_runs_are_told(build):
    alone, kd = pairs(30)
    report = build(dict(alone=alone, kd=kd))
    moved = replace(report.plan, primary=(Comparison('P1', 'alone', 'kd'),))
    text = Report(moved, report.store).text()
    assert '**12 of 12 runs were made while the plan claimed something else**' in text


def test_the_page_and_its_figures_are_the_same_every_time(build, tmp_path):
    alone, kd = pairs(30)
    grid = {f'alone-{x}': arm(f'alone-{x}', point=dict(epochs=x)) for x in (15, 30)}
    scores = dict(alone=alone, kd=kd) | {'alone-15': [20.0], 'alone-30': [25.0]}
    figure = Figure('Length', 'epochs', ('alone',))
    report = build(scores, arms=grid, figures=(figure,))
    report.write()
    names = ('report.md', 'differences.svg', 'curves_0.svg')
    first = [(tmp_path / name).read_bytes() for name in names]
    report.write()
    assert [(tmp_path / name).read_bytes() for name in names] == first
    assert report.curves(0) == {'alone': {15: [20.0], 30: [25.0]}}
    assert b'Length' in first[2] and b'P1: kd - alone' in first[1]


def test_a_claim_without_a_pair_still_counts_for_holm(build):
    alone, kd = pairs(30)
    claims = (CLAIM, Comparison('P2', 'late', 'alone'))
    report = build(dict(alone=alone, kd=kd), primary=claims, arms=dict(late=arm('late')))
    assert report.adjusted_p() == {'P1': 0.0625, 'P2': 1.0}


def test_a_claim_waits_for_all_planned_pairs(build):
    alone, kd = pairs(30, [*GAINS, 4.0, 4.4])
    arms = {name: arm(name, pairs=tuple(range(20))) for name in ('alone', 'kd')}
    report = build(dict(alone=alone, kd=kd), arms=arms)
    assert report.verdicts()['P1'].value == 'not shown'
    assert 'only 8 of 20 planned pairs' in report.text()


def test_scores_over_labeled_classes_need_labels_of_the_same(build):
    alone, kd = pairs(30)
    report = build(dict(alone=alone, kd=kd), metrics=('miou_labeled',))
    for (name, pair), result in report.store.all().items():
        metrics = dict(miou_labeled=result.metrics['miou'])
        lacking = ['desk'] if (name, pair) == ('kd', 2) else []
        report.store.write(replace(result, metrics=metrics, unlabeled=lacking))
    text = Report(report.plan, report.store).text()
    assert 'the arms have labels of other classes in pair [2]' in text and '**not shown**' in text
