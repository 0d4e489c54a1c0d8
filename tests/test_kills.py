"""Twenty trainings that are killed; `python tests/kills.py --kills 200` kills more."""

from collections import Counter
from pathlib import Path

import kill_runs
from processes import run_script

TESTS = Path(__file__).parent


def test_trainings_that_are_killed_anywhere_end_as_if_nobody_had(tmp_path):
    done = run_script(TESTS / 'kills.py', '--kills', '20', '--out', tmp_path / 'page.md', cwd=TESTS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (tmp_path / 'page.md').read_text().splitlines()[-1] == '| **all** | 20 | 20 |'


def test_a_run_that_ended_otherwise_is_seen():
    one = kill_runs._flat(dict(a=[1, 2.0], b=dict(c='d')), 'state')
    assert one == {'state/a/0': '1', 'state/a/1': '2.0', 'state/b/c': "'d'"}
    assert kill_runs.differences(one, dict(one, left='')) == ['left']
    assert kill_runs.differences(one, one | {'state/a/1': '2.5'}) == ['state/a/1']


def test_a_plan_has_kills_of_every_kind_as_often_as_it_says(monkeypatch):
    import kills

    found = Counter(job[1].partition(':')[0] for job in kills.plan(200))
    assert found == {
        'any moment': 120, 'inside a write': 40, 'in a validation': 20, 'in a worker': 20,
    }  # fmt: skip
