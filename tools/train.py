"""Train a model: ``python tools/train.py CONFIG``."""

import argparse
import os
import sys


def parse_args() -> argparse.Namespace:
    """Read the command line; the flags are those of MMDetection3D."""
    parser = argparse.ArgumentParser(description='Train a model')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument('--amp', action='store_true', help='mixed precision (bfloat16 on CPU)')
    parser.add_argument(
        '--sync_bn',
        choices=['none', 'torch', 'mmcv'],
        default='none',
        help='batch statistics over all processes, and whose implementation',
    )
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size'
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='checkpoint to resume from; without a value the latest of the work dir',
    )
    parser.add_argument(
        '--partial',
        action='store_true',
        help='load what fits of load_from and list the rest, to fine-tune with another head',
    )
    parser.add_argument('--ceph', action='store_true', help='read data through ceph')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override config entries, e.g. optim_wrapper.optimizer.lr=0.01 key="[a,b]"',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what starts the processes (default: none, one process)',
    )
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help='set by launchers'
    )
    return parser.parse_args()


def main() -> None:
    """Train what the command line describes."""
    args = vars(parse_args())
    os.environ.setdefault('LOCAL_RANK', str(args.pop('local_rank')))

    from projects.SRKD.base import misuse_told  # after parsing: --help is quick
    from projects.SRKD.engine import launch
    from projects.SRKD.engine.config_file import parse_options

    with launch.no_rank_waits():
        try:
            with misuse_told('train.py'):
                args['cfg_options'] = parse_options(args['cfg_options'])
                launch.train(**args)
        except launch.NonFiniteLossError as error:
            print(f'train.py: {error}', file=sys.stderr)
            launch.leave(1)
            sys.exit(1)
        except launch.TrainingStopped as stop:
            if os.environ.get('RANK', '0') == '0':
                print(f'train.py: {stop}', file=sys.stderr)
            launch.leave(stop.code)
            sys.exit(stop.code)
    launch.leave()


if __name__ == '__main__':
    main()
