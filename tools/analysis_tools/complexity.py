"""Cost of a network on real scenes: ``python tools/analysis_tools/complexity.py CONFIG [TEACHER]``.

Of a distillation config the student is measured, and its teacher unless another is given.
"""

import argparse


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Parameters, operations, memory and time')
    parser.add_argument('config', help='config file')
    parser.add_argument('teacher_config', nargs='?', help='config file to compare with')
    parser.add_argument('--scenes', type=int, default=1, help='scenes of the test set')
    parser.add_argument('--first', type=int, default=0, help='index of the first scene')
    parser.add_argument('--warmup', type=int, default=2, help='passes before the clock starts')
    parser.add_argument('--repeats', type=int, default=10, help='timed passes over each scene')
    parser.add_argument('--device', default=None, help='default: cuda if there is one, else cpu')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override entries of both configs',
    )
    return parser.parse_args()


def main() -> None:
    """Print the table; what does not exist ends it in one sentence."""
    args = parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('complexity.py'):
        print(compare(args))


def compare(args: argparse.Namespace) -> str:
    """Measure the networks; returns the table."""
    import torch

    from projects.SRKD.analysis.complexity import complexity_table, measure
    from projects.SRKD.analysis.networks import build_network, read_plain, read_scenes
    from projects.SRKD.engine.config_file import load_config, parse_options

    options = parse_options(args.cfg_options)
    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    configs = {'network': args.config}
    teacher = args.teacher_config
    if teacher is None:
        content = load_config(args.config)
        teacher = (content.model.get('teacher') or {}).get('config')
    if teacher is not None:
        configs = {'student': args.config, 'teacher': teacher}
    costs = {}
    for name, config in configs.items():
        cfg = read_plain(config, options)
        scenes = read_scenes(cfg, args.first, args.scenes)
        costs[name] = measure(build_network(cfg, device=device), scenes, args.warmup, args.repeats)
    where = f'{args.scenes} scene(s), {device}, {torch.get_num_threads()} threads\n'
    return where + complexity_table(costs, 'teacher' if teacher else None)


if __name__ == '__main__':
    main()
