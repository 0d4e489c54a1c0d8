"""Write the class histograms that ``CrossSampleBatchSampler`` reads, ahead of training.

``python tools/scene_statistics.py CONFIG``
"""

import argparse
import time


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Read all semantic masks of a data set once and keep their class histograms '
        'beside its info file'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--dataloader', default='train_dataloader', help='config entry whose data set is read'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override config entries, e.g. train_dataloader.dataset.data_root=data/scannet/',
    )
    return parser.parse_args()


def main() -> None:
    """Read, write, and show what was found."""
    args = parse_args()

    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('scene_statistics.py'):
        show(args)


def show(args: argparse.Namespace) -> None:
    """Print the statistics of the data set that the command line names."""
    from mmengine.registry import DATASETS, init_default_scope

    from projects.SRKD.base import FileMissingError, UsageError
    from projects.SRKD.datasets.batches.batch_composition import rarity, visibility
    from projects.SRKD.datasets.batches.scene_statistics import scene_statistics
    from projects.SRKD.engine.config_file import load_config, merge_options, parse_options

    cfg = load_config(args.config)
    merge_options(cfg, parse_options(args.cfg_options))
    init_default_scope(cfg.get('default_scope', 'mmdet3d'))
    if args.dataloader not in cfg:
        loaders = [key for key in cfg if key.endswith('_dataloader')]
        raise UsageError(
            f'{args.config} has no {args.dataloader}, but '
            f'{", ".join(loaders) or "no dataloader at all"}'
        )
    start = time.perf_counter()
    try:
        dataset = DATASETS.build(cfg[args.dataloader].dataset)
    except FileNotFoundError as error:  # not check_data_root: points may be absent, masks are read
        raise FileMissingError(f'{args.dataloader}.dataset of {args.config}: {error}') from error
    statistics = scene_statistics(dataset, progress=True)
    if not statistics.known:
        raise UsageError(
            f'{args.dataloader}.dataset of {args.config} names neither scans nor semantic masks'
        )

    scenes = 'unknown' if statistics.scene is None else len(set(statistics.scene))
    print(f'\n{len(statistics)} scans, {scenes} scenes, {time.perf_counter() - start:.1f} s')
    if statistics.histogram is None:
        print('no semantic masks: batches will be composed by scene alone')
        return
    visible = visibility(statistics.histogram)
    points = statistics.histogram.sum(axis=0)
    print(f'{"class":<24}{"points":>14}{"scans":>9}{"visible in":>12}{"weight":>9}')
    for name, total, scans, share, weight in zip(
        statistics.classes,
        points,
        (statistics.histogram > 0).sum(axis=0),
        visible.mean(axis=0),
        rarity(visible),
    ):
        print(f'{name:<24}{total:>14,}{scans:>9}{share:>12.1%}{weight:>9.2f}')


if __name__ == '__main__':
    main()
