"""How much damage to a file of weights is found, and what looking for it costs.

python benchmarks/file_integrity.py --damages 150 --megabytes 500
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

_BLOCK = 4096  # bytes: what a disk loses at once


def _forms(folder: Path) -> dict[str, tuple[Path, Callable[[Path], object]]]:
    """Small files of each form, and who reads them."""
    import numpy as np
    import torch

    from projects.SRKD.compat.safe_pickle import load_checkpoint
    from projects.SRKD.compat.weight_files import write_weights
    from projects.SRKD.distill.cache.file import check_scene, write_scene

    generator = torch.Generator().manual_seed(0)
    weights = {f'w{i}': torch.randn(50_000, generator=generator) for i in range(10)}

    def read(path: Path) -> object:
        found = load_checkpoint(path)
        found = found.get('state_dict', found)
        return {key: value.contiguous().numpy().tobytes() for key, value in found.items()}

    def read_scene(path: Path) -> object:
        check_scene(path)
        return bytes(np.load(path))

    write_weights(folder / 'a.pth', weights, {})
    write_weights(folder / 'a.safetensors', weights, {})
    torch.save(weights, folder / 'old.pth', _use_new_zipfile_serialization=False)
    arrays = dict(points=np.arange(9, dtype=np.int32), tap=weights['w0'].numpy().reshape(-1, 50))
    write_scene(folder / 'a.npy', arrays)
    return {
        'checkpoint (zip)': (folder / 'a.pth', read),
        'safetensors of ours': (folder / 'a.safetensors', read),
        'file of a teacher cache': (folder / 'a.npy', read_scene),
        'checkpoint of before torch 1.6': (folder / 'old.pth', read),
    }


def damage_found(damages: int) -> str:
    """Flip bits and zero blocks; returns a table of what came of it.

    Args:
        damages: Of each kind, to each form.
    """
    from projects.SRKD.base import UsageError

    rows = ['| form | damage | refused | read as it was | read as another |',
            '| --- | --- | ---: | ---: | ---: |']  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        for form, (path, read) in _forms(Path(name)).items():
            whole, content = path.read_bytes(), read(path)
            for damage in ('bit flipped', 'block zeroed'):
                draw, found = random.Random(0), Counter()
                for _ in range(damages):
                    raw, at = bytearray(whole), draw.randrange(len(whole))
                    if damage == 'bit flipped':
                        raw[at] ^= 1 << draw.randrange(8)
                    else:
                        raw[at : at + _BLOCK] = bytes(len(raw[at : at + _BLOCK]))
                    path.write_bytes(raw)
                    try:
                        found['same' if read(path) == content else 'other'] += 1
                    except UsageError:
                        found['refused'] += 1
                counts = (f'{found[key]} of {damages}' for key in ('refused', 'same', 'other'))
                rows.append(f'| {form} | {damage} | {" | ".join(counts)} |')
    return '\n'.join(rows) + '\n'


def cost(megabytes: int) -> str:
    """CPU time to read a checkpoint by torch's reader and by ours, which compares the checksums."""
    import torch

    from projects.SRKD.compat.safe_pickle import load_checkpoint

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / 'a.pth'
        count = max(1, megabytes // 5)
        torch.save({f'w{i}': torch.randn(1_250_000) for i in range(count)}, path)
        times: dict[str, list[float]] = {}
        for _ in range(5):
            for reader, load in (('torch.load', torch.load), ('ours', load_checkpoint)):
                begin = time.process_time()
                load(path)
                times.setdefault(reader, []).append(time.process_time() - begin)
    told = ', '.join(f'{reader} {sorted(took)[2]:.2f} s' for reader, took in times.items())
    return f'Reading a checkpoint of {5 * count} MB, CPU time, median of 5: {told}.\n'


def main() -> None:
    """Read the command line and print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--damages', type=int, default=150, help='of each kind (default 150)')
    parser.add_argument('--megabytes', type=int, default=500, help='to be timed (default 500)')
    args = parser.parse_args()
    sys.path[:0] = [str(Path(__file__).parents[1])]
    import projects.SRKD  # noqa: F401 - applies the cures

    print(damage_found(args.damages))
    print(cost(args.megabytes))


if __name__ == '__main__':
    main()
