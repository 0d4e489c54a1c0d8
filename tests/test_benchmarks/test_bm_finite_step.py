def test_steps_with_and_without_the_guard_stand_beside_each_other(benchmark, monkeypatch, capsys):
    bm_finite_step = benchmark('bm_finite_step')
    words = ['--clouds', '2', '--voxels', '150', '--repeats', '1', '--threads', '1']
    monkeypatch.setattr('sys.argv', ['bm_finite_step.py', *words])
    bm_finite_step.main()
    out = capsys.readouterr().out
    for network in ('mini student', 'mini pair'):
        assert f'{network}, 2 clouds of 150 voxels: guard ' in out
        assert f'goal | {network}, 2 clouds of 150 voxels: guard / the step without it | ' in out
