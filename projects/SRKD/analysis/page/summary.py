"""What was run: config, commit, seed, versions, data, time, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .html import Section, folded, paragraph, table, text
from .work_dir import Run

_UNKNOWN = 'not recorded'


def summary(runs: Sequence[Run]) -> Section:
    """A column for each work dir; those of tests are folded."""
    remarks = ''.join(
        f'<p class="remark">{text(remark)}</p>' for run in runs for remark in run.remarks()
    )
    trainings = [run for run in runs if not run.tested]
    tests = [run for run in runs if run.tested]
    body = remarks + (_table(trainings) if trainings else '')
    body += folded('tests', _table(tests)) if tests else ''
    body += paragraph('Time is from the first line of the log to the last, pauses left out.')
    return Section('summary', 'What was run', body)


def _table(runs: Sequence[Run]) -> str:
    columns = [_column(run) for run in runs]
    rows = [[key, *(column[key] for column in columns)] for key in columns[0]]
    return table(['', *(run.folder.name for run in runs)], rows)


def _column(run: Run) -> dict[str, str]:
    facts = run.facts
    versions = [f'{name} {facts[name]}' for name in ('PyTorch', 'MMEngine', 'Python')
                if name in facts]  # fmt: skip
    gpus = [value for name, value in facts.items() if name.startswith('GPU')]
    return {
        'kind': 'test' if run.tested else 'training with a teacher' if run.distills else 'training',
        'config': run.name,
        'work dir': str(run.folder),
        'commit': facts.get('commit', _UNKNOWN),
        'seed': str(facts.get('seed') or _seed(run)),
        'versions': ', '.join(versions) or _UNKNOWN,
        'device': ', '.join(gpus) or 'CPU',
        'data': data_of(run.config),
        'length': '' if run.tested else _length(run),
        'began': run.began or _UNKNOWN,
        'time': f'{run.seconds / 60:.1f} min',
        'checkpoint': str(run.checkpoint or 'none'),
    }


def data_of(config: Mapping) -> str:
    """Kind and root of the data that a run reads, of the test set first."""
    for split in ('test', 'val', 'train'):
        dataset = (config.get(f'{split}_dataloader') or {}).get('dataset') or {}
        while 'dataset' in dataset:
            dataset = dataset['dataset']
        if dataset.get('type'):
            return f'{dataset["type"]}, {dataset.get("data_root") or "no data_root"}'
    return _UNKNOWN


def _seed(run: Run) -> object:
    seed = (run.config.get('randomness') or {}).get('seed')
    return _UNKNOWN if seed is None else seed


def _length(run: Run) -> str:
    length, unit = run.planned
    done = run.steps[-1].get(unit, run.steps[-1]['step']) if run.steps else 0
    return f'{unit} {done:g} of {length}'
