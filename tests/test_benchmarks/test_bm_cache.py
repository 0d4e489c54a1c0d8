def test_steps_with_and_without_a_cache_stand_beside_the_students(benchmark, monkeypatch, capsys):
    bm_cache = benchmark('bm_cache')
    words = ['--clouds', '2', '--points', '1500', '--repeats', '1', '--threads', '1']
    monkeypatch.setattr('sys.argv', ['bm_cache.py', *words])
    bm_cache.main()
    out = capsys.readouterr().out
    rows = {line.split()[0] for line in out.splitlines() if line.startswith(' ')}
    assert {'student', 'cached', 'live'} < rows
    assert 'goal | mini pair, 2 rooms: SRKD step with cached teacher / student step | ' in out
