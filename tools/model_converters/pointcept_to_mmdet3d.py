"""Make of a checkpoint of Pointcept's a network of this project, with its config beside it.

    python tools/model_converters/pointcept_to_mmdet3d.py best.pth ptv3.safetensors --release 1.5.1

PTv3 (PT-v3m1, with or without PPT's norms), LitePT and CDSegNet, as .pth or .safetensors, from
disk or as hub:ORGANIZATION/NAME/FILE. Every parameter is told: kept, renamed, or dropped and why.
Nothing of the file is run. --back writes Pointcept's names.
"""

import argparse
from collections import Counter
from pathlib import Path


def write_converted(source: str, out: Path, config: Path | None, wanted) -> str:
    """Write weights and config; returns what to say.

    Args:
        source: The checkpoint.
        out: File to write; the config appears beside it, as ``.py``.
        config: A config that tells what no shape does: heads, patches, strides, orders.
        wanted: What else the file does not say.

    Raises:
        UsageError: If the file cannot be converted, or there is one in the way.
    """
    from dataclasses import replace

    from mmengine.config import Config

    from projects.SRKD.base import write_text
    from projects.SRKD.compat.weight_files import write_weights
    from projects.SRKD.models.pointcept import config_text, convert

    beside = out.with_suffix('.py')
    _free(out, beside)
    if config is not None:
        model = Config.fromfile(config).get('model') or {}
        wanted = replace(wanted, backbone=dict(model.get('backbone') or {}))
    conversion = convert(source, wanted)
    text = config_text(conversion)
    write_weights(out, conversion.weights, conversion.meta)
    write_text(beside, text)
    told = [*map(str, conversion.notes), _counts(conversion.notes)]
    if config is None:
        told.append(
            'heads, patches, strides and orders are those of the published configs, which no '
            'shape tells: name a config by --config where yours are others'
        )
    told.append(f'its voxels have the columns {", ".join(conversion.meta["inputs"])}')
    return '\n'.join([*told, f'wrote {out} and {beside}'])


def write_back(source: str, out: Path) -> str:
    """Write the weights of this project by Pointcept's names; returns what to say.

    Raises:
        UsageError: If Pointcept has no such network, or there is a file in the way.
    """
    from projects.SRKD.compat.weight_files import write_weights
    from projects.SRKD.models.pointcept import to_theirs
    from projects.SRKD.models.weights import read_checkpoint

    _free(out)
    weights, meta = read_checkpoint(source, 'checkpoint')
    named = to_theirs(weights, f'checkpoint {source}')
    kept = ('dataset_meta', 'inputs', 'voxel_size')
    write_weights(out, named.weights, {key: meta[key] for key in kept if key in meta})
    return '\n'.join([*map(str, named.notes), _counts(named.notes), f'wrote {out}'])


def _free(*paths: Path) -> None:
    from projects.SRKD.base import FileInTheWayError

    for path in paths:
        if path.exists():
            raise FileInTheWayError(f'{path} exists: name another file, or remove it')


def _counts(notes: list) -> str:
    counts = Counter(
        'dropped' if note.new is None else 'kept' if note.new == note.key else 'renamed'
        for note in notes
    )
    return ', '.join(f'{counts[what]} {what}' for what in ('kept', 'renamed', 'dropped'))


def main() -> None:
    """Read the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', help='file of Pointcept, or hub:ORGANIZATION/NAME/FILE')
    parser.add_argument('out', type=Path, help='file to write: .safetensors, .pth or .pt')
    parser.add_argument('--config', type=Path, help='its config, of Pointcept or of this project: '
                        'tells heads, patches, strides and orders; it is run')  # fmt: skip
    parser.add_argument('--release', help='which Pointcept trained a PTv3: 1.5.1 (the published '
                        'files), 1.5.2 or 1.6; its structure and colors changed')  # fmt: skip
    parser.add_argument('--dataset', help='scannet, scannet200, nuscenes or semantickitti; '
                        'default: the one with so many classes')  # fmt: skip
    parser.add_argument('--inputs', nargs='+', default=[], help='what entered it, in order, of xyz '
                        'color signed_color normal intensity; default: as published')  # fmt: skip
    parser.add_argument('--voxel-size', type=float, help='edge of its voxels in meters; default: '
                        'as published')  # fmt: skip
    parser.add_argument('--condition', help="of a PPT: the data set whose norms are kept, e.g. "
                        'ScanNet')  # fmt: skip
    parser.add_argument('--conditions', nargs='+', default=[], help="of a PPT: its "
                        'pdnorm_conditions, in order; default: as published')  # fmt: skip
    parser.add_argument('--back', action='store_true', help="from this project's names to "
                        "Pointcept's")  # fmt: skip
    args = parser.parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('pointcept_to_mmdet3d.py'):
        if args.back:
            print(write_back(args.checkpoint, args.out))
            return
        from projects.SRKD.models.pointcept import Prompt, Wanted

        wanted = Wanted(
            args.dataset, args.release, tuple(args.inputs), args.voxel_size,
            Prompt(args.condition, tuple(args.conditions)),
        )  # fmt: skip
        print(write_converted(args.checkpoint, args.out, args.config, wanted))


if __name__ == '__main__':
    main()
