"""Leave of a checkpoint what others need: its weights and what they were trained on.

    python tools/model_converters/publish_model.py work_dirs/x/epoch_60.pth network.safetensors

The ending of the new file names its form: .safetensors, .pth or .pt. Nothing of the old file is
run, and its config, optimizer and log stay behind.
"""

import argparse
from hashlib import sha256
from pathlib import Path

KEPT = ('epoch', 'iter', 'seed', 'dataset_meta')


def publish_model(checkpoint: Path, out: Path) -> str:
    """Write the weights alone; returns what to say.

    Args:
        checkpoint: Of a training, or safetensors.
        out: File to write.

    Raises:
        UsageError: If the one is no checkpoint, or the other of no known form.
    """
    from projects.SRKD.base import FileInTheWayError
    from projects.SRKD.base.lock import place_held
    from projects.SRKD.compat.weight_files import write_weights
    from projects.SRKD.models.weights import read_checkpoint

    with place_held(out, 'the file to write'):
        if out.exists():
            raise FileInTheWayError(f'{out} exists: name another file, or remove it')
        weights, meta = read_checkpoint(str(checkpoint), 'checkpoint')
        write_weights(out, weights, {key: meta[key] for key in KEPT if key in meta})
    digest = sha256(out.read_bytes()).hexdigest()
    return f'{out}: {len(weights)} weights, {out.stat().st_size:,} bytes, sha256 {digest}'


def main() -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', type=Path, help='checkpoint of a training')
    parser.add_argument('out', type=Path, help='file to write: .safetensors, .pth or .pt')
    args = parser.parse_args()
    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('publish_model.py'):
        print(publish_model(args.checkpoint, args.out))


if __name__ == '__main__':
    main()
