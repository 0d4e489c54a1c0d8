import json
from argparse import Namespace
from dataclasses import replace

import pytest
from fake_tools import calls, install, write_configs

from projects.SRKD.base import UsageError
from studies import arms as arms_module
from studies import study as study_module
from studies.plan import Arm, Comparison, Plan, TeacherPlan
from studies.report import Report
from studies.run_store import Result, RunStore, State
from studies.runs import StepFailed
from studies.study import Study

SCORES = {'plain': 0.5, 'alone': 0.3, 'kd': 0.36, 'blank': 0.1}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    configs = write_configs(tmp_path, SCORES)
    log, fail = install(tmp_path, monkeypatch, SCORES)
    weights = tmp_path / 'teacher.pth'
    weights.write_text(json.dumps(['plain', {'randomness.seed': '0'}]))
    monkeypatch.setattr(
        arms_module.Bench, 'fidelity', lambda *_: dict(agreement=0.75, kl=0.5), raising=True
    )
    pairs = tuple(range(6))
    arms = {
        'alone': Arm('alone', configs['alone'], None, {}, None, pairs, minutes=6),
        'kd': Arm('kd', configs['kd'], None, {'x': 'room {pair}'}, 'good', pairs),
    }
    plan = Plan(
        name='p',
        title='A study',
        question='Does it?',
        data=('scannet', '--scenes', '8'),
        test=configs['alone'],
        metrics=('miou', 'acc_cls'),
        teachers={'good': TeacherPlan(configs['plain'], weights)},
        arms=arms,
        baseline='alone',
        primary=(Comparison('P1', 'kd', 'alone'),),
    )
    return Namespace(plan=plan, log=log, fail=fail, folder=tmp_path)


def study(bench, **changes):
    args = dict(
        arms=None, pairs=None, data_root=None, jobs=2, dry_run=False, renew_other_code=False
    )  # fmt: skip
    args |= dict(work_dir=bench.folder / 'work', results=bench.folder / 'results') | changes
    return Study(bench.plan, Namespace(**args))


def trained(bench):
    return sorted((c[1], c[2]['randomness.seed']) for c in calls(bench.log) if c[0] == 'train')


def test_every_arm_and_pair_becomes_a_file(bench):
    study(bench).run()
    assert trained(bench) == [(name, seed) for name in ('alone', 'kd') for seed in '012345']
    files = sorted(path.name for path in (bench.folder / 'results').glob('*.json'))
    assert files == [*(f'{n}_{s}.json' for n in ('alone', 'kd') for s in range(6)),
                     'teacher_good_0.json']  # fmt: skip
    found = RunStore(bench.plan, bench.folder / 'results').read('kd', 3)
    assert found.metrics['miou'] == pytest.approx(0.39)
    assert found.cpu_seconds > 0 and found.fidelity == dict(agreement=0.75, kl=0.5)


def test_a_pair_shares_the_seed_and_options_may_name_it(bench):
    study(bench).run()
    options = [c[2] for c in calls(bench.log) if c[0] == 'train' and c[1] == 'kd']
    assert {(o['randomness.seed'], o['x']) for o in options} == {
        (str(n), f'room {n}') for n in range(6)
    }
    assert {o['model.teacher.checkpoint'] for o in options} == {str(bench.folder / 'teacher.pth')}


def test_a_finished_run_is_not_repeated_even_without_its_folder(bench):
    study(bench).run()
    calls(bench.log)
    study(bench, work_dir=bench.folder / 'elsewhere').run()
    assert trained(bench) == []


def test_a_stopped_study_goes_on_with_what_is_missing(bench):
    study(bench, pairs=[0, 1]).run()
    calls(bench.log)
    study(bench).run()
    assert trained(bench) == [(name, seed) for name in ('alone', 'kd') for seed in '2345']


def test_a_changed_config_makes_its_runs_stale_and_no_others(bench):
    study(bench).run()
    calls(bench.log)
    arms = dict(bench.plan.arms)
    arms['kd'] = Arm('kd', arms['kd'].config, None, {'x': 2}, 'good', (0, 1))
    bench.plan = replace(bench.plan, arms=arms)
    states = study(bench).states()
    assert states['kd', 0] is State.STALE and states['alone', 0] is State.DONE
    page = study(bench).write_page().read_text()
    assert '**2 results are left out' in page and '| kd ' not in page
    study(bench).run()
    assert trained(bench) == [('kd', '0'), ('kd', '1')]
    assert 'left out' not in study(bench).write_page().read_text()


def test_runs_of_earlier_code_are_told_and_repeated_only_when_asked(bench, monkeypatch):
    study(bench).run()
    calls(bench.log)
    monkeypatch.setattr(study_module, 'code_digest', lambda: 'later')
    assert set(study(bench).states().values()) == {State.OTHER_CODE}
    study(bench).run()
    assert trained(bench) == []
    study(bench, renew_other_code=True, arms=['kd']).run()
    assert [name for name, _ in trained(bench)] == ['kd'] * 6
    report = Report(bench.plan, RunStore(bench.plan, bench.folder / 'results'))
    assert report.verdicts()['P1'].value == 'not shown'
    assert 'kd and alone are of different code in pair 0, 1, 2, 3, 4, 5' in report.text()


def test_a_diverged_run_is_a_result_and_forbids_the_claim(bench, monkeypatch):
    run = arms_module.Bench.run

    def diverging(self, arm, pair, code):
        if (arm.name, pair) == ('kd', 2):
            raise StepFailed('train.py failed: the step of epoch 3 is not finite: loss_kd nan')
        return run(self, arm, pair, code)

    monkeypatch.setattr(arms_module.Bench, 'run', diverging)
    study(bench).run()
    report = Report(bench.plan, RunStore(bench.plan, bench.folder / 'results'))
    assert report.difference(bench.plan.primary[0]).pairs == 5
    assert report.verdicts()['P1'].value == 'too few pairs'
    assert 'kd diverged in pair 2' in report.text() and 'DIVERGED in pair 2' in report.text()


def test_another_failure_ends_the_study_after_the_other_runs(bench):
    bench.fail.touch()
    with pytest.raises(StepFailed, match='out of memory'):
        study(bench).run()
    assert not list((bench.folder / 'results').glob('kd_*.json'))


def test_the_forecast_takes_what_was_measured_or_planned(bench):
    planned = study(bench)
    runs = [run for run in bench.plan.runs if run[0].name == 'alone']
    assert planned.forecast(runs) == '6 runs to go, 0.6 core-hours, about 0.3 h here (2 at a time)'
    other = [run for run in bench.plan.runs if run[0].name == 'kd']
    assert 'known after the first' in planned.forecast(other)
    result = Result('p', 'kd', 0, 'key', 'code', 'claims', 'commit', dict(miou=0.1), seconds=3600)
    planned.store.write(result)
    assert '6.0 core-hours' in study(bench).forecast(other)


def test_an_arm_that_never_ran_is_judged_by_the_length_of_others(bench):
    arms = {name: replace(arm, epochs=n, minutes=None)
            for (name, arm), n in zip(bench.plan.arms.items(), (10, 30), strict=True)}  # fmt: skip
    bench.plan = replace(bench.plan, arms=arms)
    result = Result('p', 'alone', 0, 'key', 'code', 'claims', 'commit', dict(miou=0.1), seconds=60)
    study(bench).store.write(result)
    assert study(bench).seconds(arms['kd']) == 180


def test_a_dry_run_runs_nothing(bench, capsys):
    study(bench, dry_run=True).run()
    assert '12 runs to go' in capsys.readouterr().out
    assert not bench.log.exists()


def test_results_of_another_plan_are_refused(bench):
    result = Result('q', 'kd', 0, 'key', 'code', 'claims', 'commit', dict(miou=0.1))
    store = RunStore(bench.plan, bench.folder / 'results')
    store.write(result)
    with pytest.raises(UsageError, match="of plan 'p', arm 'kd', pair 0, but it is of plan 'q'"):
        store.all()
    store.path('kd', 0).write_text('{"miou": 3}')
    with pytest.raises(UsageError, match='must hold the result of a run, but'):
        store.all()


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        (dict(arms=['kb']), '--arms must be of plan p .alone, kd., but got kb'),
        (dict(pairs=[9]), '--pairs must be of plan p .*but got 9'),
        (dict(data_root='x'), 'plan p makes its own data and takes no --data-root'),
    ],
)
def test_what_the_plan_does_not_have_is_refused(bench, changes, told):
    with pytest.raises(UsageError, match=told):
        study(bench, **changes).run()


def test_a_plan_on_given_data_needs_a_root(bench):
    bench.plan = replace(bench.plan, data=None)
    with pytest.raises(UsageError, match='plan p needs --data-root'):
        study(bench)


def test_a_metric_that_no_test_logs_ends_the_study_at_its_first_run(bench):
    bench.plan = replace(bench.plan, metrics=('miuo',))
    with pytest.raises(
        UsageError, match="must be logged by its tests, but got 'miuo', nearest: 'miou'"
    ):
        study(bench, jobs=1).run()
    assert len(trained(bench)) <= 2


def test_an_untrained_teacher_follows_its_seed(bench, monkeypatch):
    made = []
    monkeypatch.setattr(arms_module, '_untrained', lambda of, path: made.append(path) or path)
    config = bench.plan.teachers['good'].config
    for seed in (0, 7, 0):
        of = TeacherPlan(config, seed=seed)
        bench.plan = replace(bench.plan, teachers=dict(blank=of))
        study(bench).bench.weights('blank')
    assert made[0] == made[2] != made[1]


def test_nothing_new_begins_after_an_interruption(bench, monkeypatch):
    begun = []

    def interrupted(self, arm, pair):
        begun.append((arm.name, pair))
        raise KeyboardInterrupt

    monkeypatch.setattr(Study, 'one', interrupted)
    with pytest.raises(KeyboardInterrupt):
        study(bench, jobs=1).run()
    assert len(begun) <= 2


@pytest.mark.parametrize(
    ('log', 'classes'),
    [
        ('', set()),
        ('... labeled points: desk (0), bed (3); more labeled scans\nnext (0), x', {'desk'}),
        ('... labeled points: a (0), b (0); more', {'a', 'b'}),
    ],
)
def test_classes_without_a_label_are_read_from_the_log(log, classes):
    assert arms_module.unlabeled_classes(log) == classes
