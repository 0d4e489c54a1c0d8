"""Make a trained teacher a file that can be committed: half precision, safetensors.

    python -m studies.pack_teacher CONFIG CHECKPOINT studies/teachers/NAME.safetensors --seed 0

The file says where it comes from; it is read wherever a teacher's checkpoint is.
"""

import argparse
from hashlib import sha256
from pathlib import Path

MOST_BYTES = 5_000_000  # what a repository can carry a few times


def pack_teacher(config: Path, checkpoint: Path, out: Path, seed: int) -> str:
    """Write the weights in half precision; returns what to say.

    Args:
        config: Config the teacher was trained from.
        checkpoint: Its last checkpoint.
        out: File to write.
        seed: Seed it was trained with.

    Raises:
        UsageError: If the checkpoint does not fit the config, a weight has no half form, or the
            file would be larger than 5 MB.
    """
    from projects.SRKD.analysis.networks import build_network, read_plain
    from projects.SRKD.base import UsageError
    from projects.SRKD.base.provenance import commit
    from projects.SRKD.compat.weight_files import plain, write_weights
    from projects.SRKD.models.weights import load_strictly

    network = build_network(read_plain(config))
    known = load_strictly(network, str(checkpoint))
    weights = {}
    for name, value in network.state_dict().items():
        half = value.half() if value.is_floating_point() else value
        if not half.isfinite().all():
            raise UsageError(f'{checkpoint}: {name} must fit half precision, but does not')
        weights[name] = half
    size = sum(value.numel() * value.element_size() for value in weights.values())
    if size > MOST_BYTES:
        raise UsageError(f'{out} must have at most {MOST_BYTES:,} bytes, but would have {size:,}')
    meta = dict(
        config=config.stem,
        seed=seed,
        commit=commit(),
        epoch=known.get('epoch'),
        dataset_meta=plain(known.get('dataset_meta', {})),
    )
    write_weights(out, weights, meta)
    return f'{out}: {out.stat().st_size:,} bytes, sha256 {sha256(out.read_bytes()).hexdigest()}'


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config the teacher was trained from')
    parser.add_argument('checkpoint', type=Path, help='its last checkpoint')
    parser.add_argument('out', type=Path, help='file to write: .safetensors, .pth or .pt')
    parser.add_argument('--seed', type=int, required=True, help='seed it was trained with')
    args = parser.parse_args()
    from projects.SRKD.base import misuse_told

    with misuse_told('pack_teacher.py'):
        print(pack_teacher(args.config, args.checkpoint, args.out, args.seed))


if __name__ == '__main__':
    main()
