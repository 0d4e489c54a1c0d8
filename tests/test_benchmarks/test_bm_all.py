import pytest


def test_goals_and_output_of_all_stand_in_one_file(benchmark, tmp_path, monkeypatch, capsys):
    bm_all = benchmark('bm_all')
    (tmp_path / 'bm_one.py').write_text(
        "import sys\nprint('size 3', sys.argv[1:])\nprint('goal | speed | 3x | >= 2x | met')\n"
        "print('half\\rdone')\n"
    )
    (tmp_path / 'bm_two.py').write_text("raise SystemExit('no such GPU')\n")
    monkeypatch.setattr(bm_all, 'HERE', tmp_path)
    monkeypatch.setattr(bm_all, 'COMMANDS', ('bm_one --size 3', 'bm_two'))
    out = tmp_path / 'RESULTS.md'
    monkeypatch.setattr('sys.argv', ['bm_all.py', '--out', str(out)])
    with pytest.raises(SystemExit) as ended:
        bm_all.main()
    assert ended.value.code == 1
    text = out.read_text()
    assert '## Goals: 1 of 1 met' in text and '| speed |' in text
    assert "size 3 ['--size', '3']" in text and 'half' not in text
    assert '**Failed:** bm_two' in text and 'no such GPU' in text
    assert 'goal | speed' not in text  # a row of the table, not a line of output


def test_every_command_names_a_benchmark_and_its_options(benchmark, monkeypatch, capsys):
    bm_all = benchmark('bm_all')
    for command in bm_all.COMMANDS:
        name, *words = command.split()
        source = (bm_all.HERE / f'{name}.py').read_text()
        shared = (bm_all.HERE / 'arguments.py').read_text()
        for word in words:
            if word.startswith('--'):
                assert f"'{word}'" in source + shared, command
    assert {command.split()[0] for command in bm_all.COMMANDS} == {
        path.stem for path in bm_all.HERE.glob('bm_*.py')
    } - {'bm_all'}
