"""Widths of students by rule: ``python tools/analysis_tools/compression.py CONFIG [RATIO ...]``.

CONFIG is a detector's config file, or one that mmdet3d ships, as ``mmdet3d::second/NAME.py``.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Widths and parameters of compressed detectors')
    parser.add_argument('config', help="teacher's config file, or mmdet3d::FOLDER/NAME.py")
    parser.add_argument('ratios', nargs='*', type=float, default=[4, 16], help='default: 4 16')
    parser.add_argument('--divisor', type=float, help='divide widths by this instead')
    parser.add_argument('--dump', help='write the (one) student as a config file')
    return parser.parse_args()


def main() -> None:
    """Print the table; what does not exist or fit ends it in one sentence."""
    args = parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('compression.py'):
        print(compare(args))


def compare(args: argparse.Namespace) -> str:
    """Narrow the teacher in every way asked for; returns the table."""
    from mmengine.registry import init_default_scope

    from projects.SRKD.base import UsageError
    from projects.SRKD.models.compression import compressed

    if args.dump and args.divisor is None and len(args.ratios) > 1:
        raise UsageError(f'--dump writes one student, but got ratios {args.ratios}: name one')
    cfg = _read(args.config)
    init_default_scope('mmdet3d')
    # a division by 1 writes out what the config leaves to defaults
    configs = {'teacher': compressed(cfg.model, divisor=1)}
    if args.divisor is not None:
        configs[f'1 / {args.divisor:g}'] = compressed(cfg.model, divisor=args.divisor)
    else:
        for ratio in args.ratios:
            configs[f'{ratio:g}x'] = compressed(cfg.model, ratio)
    if args.dump:
        cfg.model = list(configs.values())[-1]
        cfg.dump(args.dump)
    return _table(configs)


def _read(config: str) -> Config:
    from mmengine.hub import get_config

    from projects.SRKD.engine.config_file import load_config

    cfg = get_config(config) if '::' in config else load_config(config)
    cfg.model = cfg.model.get('student', cfg.model)
    return cfg


def _table(configs: dict[str, ConfigDict]) -> str:
    from mmdet3d.registry import MODELS

    from projects.SRKD.analysis.report import markdown_table

    # mmdet3d's constructors edit their config
    networks = {name: MODELS.build(copy.deepcopy(cfg)) for name, cfg in configs.items()}
    rows = []
    for module, _ in networks['teacher'].named_children():
        if module == 'data_preprocessor':
            continue
        counts = [_parameters(getattr(network, module)) for network in networks.values()]
        kind = configs['teacher'][module]['type']
        rows.append([f'{module} ({kind})', *(f'{n:,}' for n in counts)])
        for arguments in zip(*(_arguments(cfg[module]) for cfg in configs.values())):
            key, values = arguments[0][0], [str(value) for _, value in arguments]
            if len(set(values)) > 1:
                rows.append([f'  {key}', *values])
    counts = [_parameters(network) for network in networks.values()]
    rows.append(['parameters', *(f'{n:,}' for n in counts)])
    rows.append(['ratio', *(f'{counts[0] / n:.2f}x' for n in counts)])
    return markdown_table(['', *configs], rows)


def _arguments(cfg: dict, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Arguments of a module and of those within it."""
    for key, value in cfg.items():
        if isinstance(value, dict):
            yield from _arguments(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value


def _parameters(network: Any) -> int:
    return sum(p.numel() for p in network.parameters())


if __name__ == '__main__':
    main()
