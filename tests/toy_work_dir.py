"""Work dirs as tools/train.py and tools/test.py leave them, and pages read as a browser does."""

import json
from html.parser import HTMLParser
from pathlib import Path

from mmengine.config import Config

LOG = """{day} 10:00:00 - mmengine - INFO -
System environment:
    Python: 3.11.7 (main, May  9 2026)
    PyTorch: 2.13.0+cpu
    MMEngine: 0.10.7
Runtime environment:
    seed: {seed}
{day} 10:02:30 - mmengine - INFO - Epoch(train) [2][2/2]
"""
VOID = {'meta', 'img', 'br', 'hr', 'input', 'link'}


def write_run(folder, config, steps=(), validations=(), tested=None, stamp='20260101_100000',
              seed=5, name=None, **changes):  # fmt: skip
    """Write a work dir of a config; ``changes`` are merged into the config."""
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(dict(train_cfg=dict(max_epochs=2)) | changes)
    logs = folder / stamp / 'vis_data'
    logs.mkdir(parents=True)
    cfg.dump(logs / 'config.py')
    cfg.dump(folder / f'{name or Path(config).stem}.py')
    lines = [json.dumps(one) for one in (*steps, *validations)]
    (logs / 'scalars.json').write_text(''.join(line + '\n' for line in lines))
    day = f'{stamp[:4]}/{stamp[4:6]}/{stamp[6:8]}'
    (folder / stamp / f'{stamp}.log').write_text(LOG.format(day=day, seed=seed))
    if tested is not None:
        (folder / stamp / f'{stamp}.json').write_text(json.dumps(tested))
    return folder


def steps_of(*losses, **others):
    """Logged steps with these totals; ``others`` are further values, one for each step."""
    return [
        dict(loss=loss, lr=0.1, step=number, iter=number, epoch=number,
             **{name: values[number - 1] for name, values in others.items()})
        for number, loss in enumerate(losses, 1)
    ]  # fmt: skip


class Page(HTMLParser):
    """What a browser sees: ids, texts, the JSON of boxes, addresses; and whether tags match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.resources, self.data, self.words = [], [], [], {}, []
        self.feed(text)
        self.close()
        assert self.open == [], self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs['id']] if 'id' in attrs else []
        self.resources += [attrs[key] for key in ('src', 'href', 'data', 'poster') if key in attrs]
        if tag not in VOID:
            self.open.append((tag, attrs))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop()[0] == tag, (tag, self.getpos())

    def handle_data(self, text):
        inside = [tag for tag, _ in self.open]
        if inside and inside[-1] == 'script':
            if self.open[-1][1].get('type') == 'application/json':
                of = self.open[-2][1]
                self.data.setdefault(of['class'], {})[of['aria-label']] = json.loads(text)
        elif 'style' not in inside:
            self.words.append(text)

    @property
    def text(self):
        return ' '.join(' '.join(self.words).split())


def body(section):
    """A section, read."""
    return Page(section.body)
