import pytest

from projects.SRKD.base import FileMissingError, UsageError
from studies.plan_file import PLANS, read_plan

STUDENT = 'configs/mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
TAUGHT = 'configs/mini/kd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
PLAN = f"""
title = 'T'
question = 'Q?'
pairs = [0, 1]
test = '{STUDENT}'

[data]
make = ['scannet', '--scenes', '8']

[teachers.blank]
config = '{STUDENT}'
seed = 3

[arms.alone]
config = '{STUDENT}'
grid = {{ labels = [4, 12], epochs = [15, 30] }}
epochs = '{{epochs}}'
options = {{ 'train_dataloader.dataset.labeled' = '{{labels}}', 'x.seed' = '{{pair}}' }}

[arms.kd]
config = '{TAUGHT}'
teacher = 'blank'
pairs = [1]
shorter = 'alone-4-15'

[primary.P1]
arm = 'kd'
minus = 'alone-4-30'

[control.C]
arm = 'alone-12-15'
minus = 'alone-4-30'
ends = ['P1']

[[figure]]
title = 'F'
x = 'epochs'
lines = ['alone']
"""


@pytest.fixture
def read(tmp_path):
    def read(*changes):
        text = PLAN
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / 'plan.toml'
        path.write_text(text)
        return read_plan(path)

    return read


def test_a_grid_becomes_arms_with_their_values_filled_in(read):
    plan = read()
    assert list(plan.arms) == ['alone-4-15', 'alone-4-30', 'alone-12-15', 'alone-12-30', 'kd']
    arm = plan.arms['alone-12-30']
    assert arm.epochs == 30
    assert arm.options == {'train_dataloader.dataset.labeled': 12, 'x.seed': '{pair}'}
    assert arm.point == {'labels': 12, 'epochs': 30}


def test_runs_go_pair_by_pair_and_an_arm_may_have_fewer(read):
    runs = [(arm.name, pair) for arm, pair in read().runs]
    assert runs[:5] == [
        *((f'alone-{labels}-{epochs}', 0) for labels in (4, 12) for epochs in (15, 30)),
        ('alone-4-15', 1),
    ]
    assert runs[-1] == ('kd', 1) and len(runs) == 9


def test_the_digest_of_the_claims_follows_the_primaries_alone(read):
    claims = read().claims
    assert read(("title = 'T'", "title = 'U'")).claims == claims
    assert read(("minus = 'alone-4-30'", "minus = 'alone-4-15'")).claims != claims
    assert read(("title = 'T'", "title = 'T'\nmetrics = ['acc']")).claims != claims
    assert read(('pairs = [1]', 'pairs = [0, 1]')).claims != claims


def test_an_arm_takes_its_place_on_the_curve_of_a_grid(read):
    added = f"[arms.alone-12-60]\nconfig = '{STUDENT}'\npoint = {{ labels = 12, epochs = 60 }}\n"
    plan = read(('[arms.kd]', added + '[arms.kd]'))
    assert plan.arms['alone-12-60'].point == {'labels': 12, 'epochs': 60}
    assert plan.arms['alone-12-30'].point == {'labels': 12, 'epochs': 30}


@pytest.mark.parametrize('path', sorted(PLANS.glob('*.toml')), ids=lambda path: path.stem)
def test_every_plan_of_the_repository_can_be_read(path):
    plan = read_plan(path.stem)
    assert plan.name == path.stem and plan.arms


@pytest.mark.parametrize(
    ('old', 'new', 'told'),
    [
        ("title = 'T'", "titel = 'T'", "must not hold 'titel', nearest: 'title'"),
        ("title = 'T'\n", '', "must hold 'title'"),
        ('pairs = [0, 1]', 'pairs = [0, 0]', r'pairs must be different seeds .* got \[0, 0\]'),
        ('pairs = [0, 1]', 'pairs = []', 'pairs must be different seeds'),
        ("arm = 'kd'", "arm = 'kb'", "primary.P1.arm must name a planned arm, but got 'kb'"),
        ("arm = 'kd'", "arm = 'alone-4-30'", "primary.P1 compares 'alone-4-30' with itself"),
        ("ends = ['P1']", "ends = ['P2']", "control.C.ends must name a primary comparison"),
        ("teacher = 'blank'", "teacher = 'blunk'", "arms.kd.teacher must name a teacher"),
        ('seed = 3', "chekpoint = 'x'", "teachers.blank must not hold 'chekpoint'"),
        ('seed = 3\n', '', 'must have a checkpoint, or the seed'),
        ("x = 'epochs'", "x = 'epoch'", r"figure\[0\].x must name an axis of the grid of alone"),
        ("'{{labels}}'".replace('{{', '{').replace('}}', '}'), "'{label}'",
         'must hold names of the grid'),
        ("epochs = '{epochs}'", "epochs = 'many'", 'epochs must be a whole number'),
        ("shorter = 'alone-4-15'", "shorter = 'alone'", 'shorter must name a planned arm'),
        ("make = ['scannet', '--scenes', '8']", "make = 'scannet'", 'must be the words of'),
        ('[arms.kd]', '[arms.alone]', 'must be a TOML file'),
        ("teacher = 'blank'\n", '', 'arms.kd must name its teacher'),
        ('grid = { labels = [4, 12]', 'grid = { labels = 4', 'arms.alone.grid must hold lists'),
        ("'x.seed' = '{pair}'", 'x.seed = 1', "must have keys in quotes, 'x.seed'"),
        ('epochs = [15, 30]', "epochs = ['15', '30']", 'must be an axis of numbers|whole number'),
        ('pairs = [1]', 'pairs = [1]\npoint = { epochs = 60 }',
         'arms.kd.point must hold the values that its name ends with'),
        ('grid = {', 'point = {}\ngrid = {', 'arms.alone.point must hold .* and no grid'),
        ('pairs = [1]', 'pairs = [1]\npoint = 60', 'arms.kd.point must hold'),
        ('pairs = [1]', 'pair = [1]', "arms.kd must not hold 'pair', nearest: 'pairs'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(read, old, new, told):
    with pytest.raises(UsageError, match=told):
        read((old, new))


def test_one_arm_is_no_study(read, tmp_path):
    head = PLAN.split('[arms.alone]')[0]
    path = tmp_path / 'one.toml'
    path.write_text(head + f"[arms.only]\nconfig = '{STUDENT}'\n")
    with pytest.raises(UsageError, match=r"arms must be two or more, but got \['only'\]"):
        read_plan(path)


def test_the_same_run_under_two_names_is_refused(tmp_path):
    head = PLAN.split('[arms.alone]')[0]
    path = tmp_path / 'twins.toml'
    arms = ''.join(f"[arms.{name}]\nconfig = '{STUDENT}'\nepochs = 3\n" for name in 'ab')
    path.write_text(head + arms)
    with pytest.raises(UsageError, match="arms 'a' and 'b' are the same run twice"):
        read_plan(path)


def test_files_that_are_not_there_are_named_with_the_nearest(read, tmp_path):
    with pytest.raises(FileMissingError, match='test names configs/mini/ptv3.py, .* nearest'):
        read((f"test = '{STUDENT}'", "test = 'configs/mini/ptv3.py'"))
    with pytest.raises(FileMissingError, match=r'--plan .*plam\.toml is not there'):
        read_plan(tmp_path / 'plam.toml')
