"""Store what the teacher of a distillation run says about its training scans.

``python tools/cache_teacher.py CONFIG --out DIR``, then train with ``cache='DIR'`` in the config's
teacher. Each scan is shown clean, or in the views of ``ReplayViews`` if the training pipeline ends
with it. Views of ``ChosenViews`` are chosen first: docs/cache.md.
"""

import argparse
import sys

DTYPES = dict(fp16='float16', fp32='float32')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Run the teacher of a distillation config once over its training scans, clean '
        'or in the views of ReplayViews, and store what its terms read'
    )
    parser.add_argument('config', help='config file of a distillation run')
    parser.add_argument('--out', help="folder of the cache; default: the config's own")
    parser.add_argument(
        '--logits', default='full', help='full, or topK: the K largest and the mean of the rest'
    )
    parser.add_argument('--dtype', default='fp16', choices=DTYPES, help='of what is stored')
    parser.add_argument('--device', help='where the teacher runs; default: a GPU if there is one')
    parser.add_argument(
        '--views',
        type=int,
        metavar='K',
        help="number of views of each scan, in place of ReplayViews' own; a cache of fewer views "
        'gets the others',
    )
    parser.add_argument(
        '--check', action='store_true', help='read what is stored and write damaged files anew'
    )
    parser.add_argument('--dry-run', action='store_true', help='stop behind the estimate')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='override config entries, e.g. model.teacher.checkpoint=teacher.pth',
    )
    return parser.parse_args()


def main() -> None:
    """Store what is missing."""
    args = parse_args()

    import torch  # after parsing: --help is quick

    from projects.SRKD.base import misuse_told
    from projects.SRKD.distill.cache_writing.choice import ViewChoice, choose_views, has_choice
    from projects.SRKD.distill.cache_writing.writer import CacheWriter, write_cache
    from projects.SRKD.engine.config_file import parse_options, read_config

    device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    try:
        with misuse_told('cache_teacher.py'):
            options = parse_options(args.cfg_options)
            cfg = read_config(args.config, cfg_options=options, splits=('train', 'test'))
            if has_choice(cfg):
                choice = ViewChoice(cfg, device)
                choose_views(choice, args.dry_run)
                if not choice.finished:
                    return
            writer = CacheWriter(cfg, args.out, args.logits, DTYPES[args.dtype], device, args.views)
            write_cache(writer, args.check, args.dry_run)
    except KeyboardInterrupt:
        sys.exit('\ncache_teacher.py: interrupted; run it again to go on with the next scan')


if __name__ == '__main__':
    main()
