import json

import pytest
import torch

MARKS = (6, 12, 20)


def found_in(bm_memory, name, folder, monkeypatch, marks=MARKS):
    words = ['--marks', *map(str, marks), '--scenes', '8', '--threads', '1']
    monkeypatch.setattr('sys.argv', ['bm_memory.py', *words])
    bm_memory.train(name, folder, bm_memory.parse_args())
    return [json.loads(line) for line in (folder / 'marks.jsonl').open()]


@pytest.mark.parametrize('name', ['srkd', 'detector'])
def test_a_run_with_every_term_and_hook_holds_the_same_tensors(
    benchmark, tmp_path, monkeypatch, name
):
    found = found_in(benchmark('bm_memory'), name, tmp_path, monkeypatch)
    assert [mark['step'] for mark in found] == list(MARKS)
    assert len({mark['tensors'] for mark in found}) == 1
    log = next(tmp_path.glob('work_dir/*/vis_data/scalars.json')).read_text()
    if name == 'srkd':
        for term in ('kd', 'affinity_point', 'affinity_voxel', 'channel', 'cross_sample'):
            for key in (f'loss_{term}', f'{term}_grad_norm', f'{term}_weight'):
                assert f'"{key}"' in log, key
        for key in ('distill_scale', 'cross_scene_pairs'):
            assert f'"{key}"' in log, key
    else:
        assert '"loss_local_graph"' in log


def test_what_somebody_keeps_of_a_step_is_counted(benchmark):
    bm_memory = benchmark('bm_memory')
    before, kept = bm_memory.tensors(), [torch.zeros(1) for _ in range(5)]
    assert bm_memory.tensors() - before == len(kept)


def test_growth_is_told_from_the_last_but_one_mark(benchmark, capsys):
    marks = [dict(step=step, tensors=100, resident=size, heap=1.0)
             for step, size in ((1, 10.0), (2, 100.0), (3, 104.0))]  # fmt: skip
    benchmark('bm_memory').report('srkd', marks)
    goals = [line for line in capsys.readouterr().out.splitlines() if line.startswith('goal')]
    assert goals == [
        'goal | srkd, steps 2 to 3: growth of resident memory | 4 % | <= 3 % | missed',
        'goal | srkd, steps 2 to 3: growth of the number of tensors | 0 % | <= 3 % | met',
    ]
