"""Stand-ins for the slow tools, to test what orders them about: see ``install``."""

import json

TRAIN = """
import json, pathlib, sys
config, folder = sys.argv[1], pathlib.Path(sys.argv[3])
options = dict(word.split('=', 1) for word in sys.argv if '=' in word)
with open({log!r}, 'a') as log:
    log.write(json.dumps(['train', pathlib.Path(config).stem, options]) + '\\n')
if pathlib.Path({fail!r}).exists():
    sys.exit('out of memory')
(folder / 'epoch_1.pth').write_text(json.dumps([pathlib.Path(config).stem, options]))
(folder / 'last_checkpoint').write_text('epoch_1.pth')
"""

TEST = """
import json, pathlib, sys
config, checkpoint, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[4])
trained, options = json.loads(pathlib.Path(checkpoint).read_text())
with open({log!r}, 'a') as log:
    log.write(json.dumps(['test', pathlib.Path(config).stem, trained]) + '\\n')
score = {scores!r}[trained] + 0.01 * int(options['randomness.seed'])
(folder / 'now').mkdir(parents=True)
found = dict((key, (i + 1) * score) for i, key in enumerate({metrics!r}))
(folder / 'now' / 'now.json').write_text(json.dumps(found))
"""

CACHE = """
import json, pathlib, sys
config, folder = sys.argv[1], pathlib.Path(sys.argv[3])
options = dict(word.split('=', 1) for word in sys.argv if '=' in word)
found = len(list(folder.glob('*/*.npy')))
with open({log!r}, 'a') as log:
    log.write(json.dumps(['cache', pathlib.Path(config).stem, options, found]) + '\\n')
failing = pathlib.Path({fail!r}).exists()
(folder / '000').mkdir(exist_ok=True)
(folder / 'cache.json').write_text(json.dumps(dict(finished=not failing)))
for scan in range(1 if failing else 2):
    (folder / '000' / f'00000{{scan}}.npy').write_bytes(bytes(600_000))
if failing:
    sys.exit('no space left')
"""

ROOMS = """
import json, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index('--out') + 1])
out.mkdir(parents=True)
(out / 'scannet_infos_val.pkl').touch()
with open({log!r}, 'a') as log:
    log.write(json.dumps(['rooms', *sys.argv[1:6]]) + '\\n')
"""


def install(folder, monkeypatch, scores, metrics=('miou', 'acc_cls')):
    """Let ``Runs`` find tools that only note what they were asked and invent the scores.

    The first of the metrics is the score, the second twice that, and so on.
    Returns the file of calls and the file whose presence makes trainings fail.
    """
    from studies import mini_data, runs

    tools = folder / 'tools'
    tools.mkdir()
    log, fail = folder / 'calls', folder / 'fail'
    names = dict(log=str(log), fail=str(fail), scores=scores, metrics=tuple(metrics))
    texts = {'train': TRAIN, 'test': TEST, 'cache_teacher': CACHE, 'rooms': ROOMS}
    for name, text in texts.items():
        (tools / f'{name}.py').write_text(text.format(**names))
    monkeypatch.setattr(runs, 'ROOT', folder)
    monkeypatch.setattr(mini_data, 'MAKER', tools / 'rooms.py')
    return log, fail


def calls(log):
    """What was called since the last look."""
    found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    log.unlink(missing_ok=True)
    return found


def write_configs(folder, names):
    """Configs of segmentation runs that only these tools can run; returns their paths."""
    paths = {}
    for name in names:
        cache = ", cache='none'" if name.endswith('cached') else ''
        taught = name.split('-')[0] in ('kd', 'srkd')
        teacher = f"teacher=dict(checkpoint='none'{cache})" if taught else ''
        paths[name] = folder / f'{name}.py'
        paths[name].write_text(
            "loader = dict(dataset=dict(data_root='data/x/'))\n"
            'train_dataloader = loader\ntest_dataloader = loader\n'
            f'model = dict({teacher})\n'
        )
    return paths
