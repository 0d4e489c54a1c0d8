"""Evaluate a checkpoint: ``python tools/test.py CONFIG CHECKPOINT``.

A student trained by distillation is tested with its own plain config.
"""

import argparse
import os


def parse_args() -> argparse.Namespace:
    """Read the command line; the flags are those of MMDetection3D."""
    parser = argparse.ArgumentParser(description='Evaluate a checkpoint')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of logs and metrics')
    parser.add_argument('--ceph', action='store_true', help='read data through ceph')
    parser.add_argument('--show', action='store_true', help='show predictions in windows')
    parser.add_argument('--show-dir', help='save drawings to WORK_DIR/<time stamp>/SHOW_DIR')
    parser.add_argument('--score-thr', type=float, default=0.1, help='least score of a drawn box')
    parser.add_argument(
        '--task',
        choices=['mono_det', 'multi-view_det', 'lidar_det', 'lidar_seg', 'multi-modality_det'],
        help='how to draw; needed by --show and --show-dir',
    )
    parser.add_argument(
        '--ceiling',
        type=float,
        metavar='METERS',
        help='leave points higher than this above the lowest out of drawings, e.g. 2.2 for rooms',
    )
    parser.add_argument('--wait-time', type=float, default=2, help='seconds a window stays')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override config entries, e.g. test_dataloader.batch_size=1 key="[a,b]"',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what starts the processes (default: none, one process)',
    )
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0, help='set by launchers'
    )
    return parser.parse_args()


def main() -> None:
    """Evaluate what the command line describes."""
    args = vars(parse_args())
    os.environ.setdefault('LOCAL_RANK', str(args.pop('local_rank')))

    from projects.SRKD.base import misuse_told  # after parsing: --help is quick
    from projects.SRKD.engine import launch
    from projects.SRKD.engine.config_file import parse_options

    with launch.no_rank_waits(), misuse_told('test.py'):
        args['cfg_options'] = parse_options(args['cfg_options'])
        launch.test(**args)
    launch.leave()


if __name__ == '__main__':
    main()
