"""Teach a small network by a large one on procedural rooms: ``python tools/demo.py``.

Rooms, teacher, student alone, student with SRKD (same budget, same seed), a test of all three, one
table and one picture in ``work_dirs/demo``. What is finished is not repeated.
"""

import argparse
import sys
from hashlib import sha256
from pathlib import Path

from projects.SRKD.analysis.mini_data import ROOMS, data_options, make_data
from projects.SRKD.analysis.runs import ROOT, Runs, StepFailed, Trained, write_atomically

CONFIGS = ROOT / 'configs' / 'mini'
TEACHER = CONFIGS / 'ptv3-mini-t_1xb4-20e_mini-scannet-seg.py'
STUDENT = CONFIGS / 'ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
SRKD = CONFIGS / 'srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'

# Rooms and what differs from the config files.
PRESETS = {
    'full': (80, {}),
    'smoke': (6, {'train_cfg.max_epochs': 1}),
}
DATA_SEED = 0
LEAST_LEAD = 3.0  # mIoU points of the teacher above the student alone
CEILING = 2.2  # metres above the lowest point; what is higher hides the room from above


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='SRKD on procedural rooms, from data to table')
    parser.add_argument(
        '--preset', choices=PRESETS, default='full', help='smoke: one epoch, to see that it runs'
    )
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'))
    parser.add_argument('--seed', type=int, default=0, help='seed of the trainings')
    parser.add_argument(
        '--teacher-checkpoint', type=Path, help='use this trained teacher instead of training one'
    )
    return parser.parse_args()


def run(args: argparse.Namespace) -> str:
    """Do every step; returns the report."""
    scenes, changes = PRESETS[args.preset]
    root = args.work_dir.resolve() / ('.' if args.preset == 'full' else args.preset)
    runs = Runs(root, total=8 - bool(args.teacher_checkpoint))
    rooms, data_key = make_data(runs, ROOMS, scenes, DATA_SEED)

    def options(config: Path) -> dict:
        return {'randomness.seed': args.seed, **changes, **data_options(config, rooms)}

    if args.teacher_checkpoint:
        weights = args.teacher_checkpoint.resolve()
        teacher = Trained(TEACHER, weights, sha256(weights.read_bytes()).hexdigest())
    else:
        teacher = runs.train('teacher', 'train teacher', TEACHER, options(TEACHER), [data_key])
    alone = runs.train('alone', 'train student alone', STUDENT, options(STUDENT), [data_key])
    taught = runs.train(
        'srkd',
        'train student with SRKD',
        SRKD,
        options(SRKD) | {'model.teacher.checkpoint': teacher.checkpoint},
        [data_key, teacher.key],
    )
    networks = {
        'student alone': (STUDENT, alone),
        'student, SRKD': (STUDENT, taught),
        'teacher': (TEACHER, teacher),
    }
    scores = {}
    for name, (config, trained) in networks.items():
        folder = 'test_' + name.split()[-1].lower()
        changes = data_options(config, rooms)
        scores[name] = runs.test(folder, f'test {name}', config, trained, changes)
    runs.headline('table and picture')
    return report(root, networks, scores, rooms, args)


def report(root: Path, networks: dict, scores: dict, rooms: Path, args: argparse.Namespace) -> str:
    """Measure the networks, draw one scene and write ``report.md``."""
    from projects.SRKD.analysis.complexity import measure
    from projects.SRKD.analysis.networks import build_network, predict, read_plain, read_scenes
    from projects.SRKD.analysis.picture import draw_scene
    from projects.SRKD.analysis.report import Row, comparison_table

    costs, predictions = {}, {}
    for name, (config, trained) in networks.items():
        cfg = read_plain(config, data_options(config, rooms))
        network = build_network(cfg, trained.checkpoint)
        batches = read_scenes(cfg)
        sample = predict(network, batches[0])
        predictions[name] = sample.pred_pts_seg.pts_semantic_mask.numpy()
        costs[name] = measure(network, batches, warmup=1, repeats=5)
    draw_scene(
        batches[0]['inputs']['points'][0][:, :3].numpy(),
        sample.eval_ann_info['pts_semantic_mask'],
        predictions,
        cfg.test_dataloader.dataset.metainfo.classes,
        palette_of(cfg),
        root / 'picture.png',
        title='First test room from above; colours are classes, red is wrong',
        ceiling=CEILING,
    )
    largest = costs['teacher'].parameters
    rows = [
        Row(
            name,
            scores[name]['miou'],
            scores[name]['acc_cls'],
            cost.parameters,
            largest / cost.parameters,
            cost.ms[1],
        )
        for name, cost in costs.items()
    ]
    base = scores['student alone']['miou']
    gains = ', '.join(
        f'{name} {100 * (scores[name]["miou"] - base):+.2f}' for name in list(scores)[1:]
    )
    lead = 100 * (scores['teacher']['miou'] - base)
    if args.preset == 'full' and lead < LEAST_LEAD:
        gains += f' (the teacher leads by less than {LEAST_LEAD}: there is little to teach)'
    text = (
        f'{comparison_table(rows)}\n\n'
        f'mIoU points above the student alone: {gains}\n'
        f'preset {args.preset}, seed {args.seed}; procedural rooms stand for no public benchmark\n'
    )
    write_atomically(root / 'report.md', text)
    return f'{text}\ntable:   {root / "report.md"}\npicture: {root / "picture.png"}'


def palette_of(cfg) -> list:
    """Colours of the classes: the config's, else the data set's own."""
    from mmdet3d.registry import DATASETS

    dataset = cfg.test_dataloader.dataset
    return dataset.metainfo.get('palette') or DATASETS.get(dataset.type).METAINFO['palette']


def main() -> None:
    """Run the demo; a failed step ends it with its message and exit code 1."""
    args = parse_args()
    try:
        print('\n' + run(args))
    except StepFailed as error:
        sys.exit(f'\ndemo failed: {error}')


if __name__ == '__main__':
    main()
