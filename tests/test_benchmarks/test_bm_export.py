from toy import save_checkpoint
from toy_kitti import small_streets


def test_a_student_is_measured_in_both_forms(benchmark, tmp_path, monkeypatch, capsys):
    bm_export = benchmark('bm_export')
    data = small_streets(tmp_path / 'mini_kitti')
    model = bm_export.read_plain(bm_export.ROOT / 'configs' / bm_export.CONFIG).model
    checkpoint = save_checkpoint(model, tmp_path / 'student.pth')
    words = ['--data', data, '--checkpoint', checkpoint, '--calibrate', '2', '--threads', '1']
    monkeypatch.setattr('sys.argv', ['bm_export.py', *map(str, words)])
    bm_export.main()
    out = capsys.readouterr().out
    assert '70,056 parameters; 8 bits from 2 frames' in out
    assert '| student.int8.onnx |' in out and 'Overall_3D_AP40_moderate' in out
    assert 'goal | ONNX of the mini 16x student: error | ' in out
    assert 'goal | 8 bits of the mini 16x student: AP lost | ' in out


def test_the_training_has_the_length_that_was_asked_for(benchmark, monkeypatch):
    bm_export = benchmark('bm_export')
    calls = []
    monkeypatch.setattr(bm_export, 'tool', lambda *words: calls.append(words))
    monkeypatch.setattr('sys.argv', ['bm_export.py', '--epochs', '3'])
    assert str(bm_export.trained(bm_export.parse_args())) == 'run/epoch_3.pth'
    ((name, config, *words),) = calls
    assert name == 'train.py' and config.is_file()
    assert {'train_cfg.max_epochs=3', 'param_scheduler.1.T_max=2'} < set(words)
