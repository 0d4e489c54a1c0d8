"""Two gloo processes beside one: equal gradients at the same global batch, and throughput.

    python benchmarks/bm_processes.py [--clouds 8] [--voxels 4000]

Gradients are compared where nothing is drawn or a matter of a whole batch: the student in eval, all
points meeting, the cross-sample term gathering clouds over ranks, Lovasz's loss off. (In training
each rank draws its own points, batch norm on CPUs knows its own clouds only, and Lovasz-softmax
ranks the errors of its own.) Throughput is that of SRKD's whole
training step on CPUs: one process with two threads, and two with one each.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from pathlib import Path

from arguments import options


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__)
    parser.add_argument('--clouds', type=int, default=8, help='of a global batch (default 8)')
    parser.add_argument('--voxels', type=int, default=4000, help='of each cloud (default 4000)')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from bm_step import VOXEL_SIZE, build, prepared
from scenes import room_batch
from timing import describe, report_goal
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from projects.SRKD.engine import launch

PAIR = 'mini'
CHECKED = 200  # voxels per cloud at which gradients are compared: all points of all clouds meet
DRAWN = ('affinity_point', 'affinity_voxel')  # terms that draw super-voxels


def own_share(batch: dict, rank: int, world: int) -> dict:
    """A rank's clouds, in the order of one process: which of a pair comes first matters."""
    count = len(batch['data_samples']) // world
    own = slice(rank * count, (rank + 1) * count)
    inputs = {name: clouds[own] for name, clouds in batch['inputs'].items()}
    return dict(inputs=inputs, data_samples=batch['data_samples'][own])


def losses(model: nn.Module, batch: dict) -> Tensor:
    """Forward through whatever wraps the model; the sum of all losses."""
    found = model(*prepared(getattr(model, 'module', model), batch), mode='loss')
    return sum(value for name, value in found.items() if 'loss' in name)


def gradients(model: nn.Module, batch: dict) -> dict[str, Tensor]:
    """Gradients of a step in which nothing is random, by parameter."""
    losses(model, batch).backward()
    own = getattr(model, 'module', model)
    found = {name: p.grad.clone() for name, p in own.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def seconds_per_step(model: nn.Module, batch: dict, repeats: int) -> float:
    """Median over training steps, the first left out."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        losses(model, batch).backward()
        optimizer.step()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def without_chance(model: nn.Module) -> nn.Module:
    """A copy of the model whose step is a mean over clouds (or pairs) and draws nothing."""
    model = copy.deepcopy(model)
    model.student.eval().decode_head.loss_lovasz = None
    for name in DRAWN:
        del model.terms[name]
    loss = model.terms['cross_sample'].loss
    loss.gather, loss.n_points = True, CHECKED
    return model


def work(rank: int, world: int, threads: int, folder: Path, args: argparse.Namespace) -> None:
    """What one process does; rank 0 writes its gradients and time."""
    torch.set_num_threads(threads)
    if world > 1:
        dist.init_process_group(
            'gloo', init_method=f'file://{folder}/meet{world}', rank=rank, world_size=world
        )
    wrap = DistributedDataParallel if world > 1 else nn.Identity()
    model = build(PAIR, folder, 'cpu')
    model.tell_connectors_are_kept()  # there is no runner whose hook would
    certain = wrap(without_chance(model))
    found = gradients(certain, own_share(room_batch(args.clouds, CHECKED, VOXEL_SIZE), rank, world))
    share = own_share(room_batch(args.clouds, args.voxels, VOXEL_SIZE), rank, world)
    seconds = seconds_per_step(wrap(model), share, args.repeats)
    if rank == 0:
        torch.save(dict(gradients=found, seconds=seconds), folder / f'world{world}.pt')
    if world > 1:
        dist.barrier()
        launch.leave()  # an interpreter that ends with DDP's threads alive may hang


def main() -> None:
    """Print both throughputs and how far the gradients are apart."""
    args = parse_args()
    args.threads = args.threads or torch.get_num_threads()
    describe('cpu')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(PAIR, folder, 'cpu')  # one teacher for all
        found = {}
        for world in (1, 2):
            threads = max(1, args.threads // world)
            if world == 1:
                work(0, world, threads, folder, args)
            else:
                mp.spawn(work, (world, threads, folder, args), nprocs=world)
            found[world] = torch.load(folder / f'world{world}.pt')
            rate = args.clouds / found[world]['seconds']
            print(f'{world} process(es) of {threads} thread(s): {rate:.2f} clouds/s', flush=True)
    one, two = (found[world]['gradients'] for world in (1, 2))
    assert one.keys() == two.keys()
    flat = [torch.cat([found[name].flatten() for name in one]) for found in (one, two)]
    off = ((flat[0] - flat[1]).norm() / flat[0].norm()).item()
    what = f'two processes, global batch of {args.clouds}'
    report_goal(f'{what}: gradient beside that of one process, relative difference', off, '<=',
                1e-4, '')  # fmt: skip
    ratio = found[1]['seconds'] / found[2]['seconds']
    print(f'throughput of two processes over that of one: {ratio:.2f}x')


if __name__ == '__main__':
    main()
