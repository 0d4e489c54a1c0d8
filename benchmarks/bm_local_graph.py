"""PointDistiller's local graph: ours in blocks beside its definition with whole matrices.

The definition holds the distances of all N anchors to all n elements and every edge of both
networks, as the release does. Value and gradient are checked on small sizes before anything is
measured; then each variant runs in a process of its own, so that the peak is its own.

    python benchmarks/bm_local_graph.py [--elements 10000 100000] [--repeats 3] [--device cuda]
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

from arguments import options


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__)
    parser.add_argument(
        '--elements', type=int, nargs='+', default=[10_000, 100_000], help='rows of the features'
    )
    parser.add_argument('--anchors', type=int, default=6000, help='nodes (default 6000)')
    parser.add_argument('--neighbors', type=int, default=128, help='of each node (default 128)')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import torch
from timing import (
    begin,
    check_equal,
    finish,
    peak_mib,
    report_goal,
    share,
    value_and_grad,
)
from torch import Tensor

from projects.SRKD.losses import LocalGraphLoss

WIDTHS = dict(student_channels=32, teacher_channels=64, graph_channels=32)


def square_distances(query: Tensor, reference: Tensor) -> Tensor:
    """Squared distances, (N, n), the quick way: one matrix product."""
    distance = -2 * (query @ reference.T)
    distance += query.square().sum(dim=1)[:, None]
    distance += reference.square().sum(dim=1)
    return distance


def graph(feat: Tensor, neighbors: Tensor, network: torch.nn.Module) -> Tensor:
    """Graph features (1, c, N, K) of edges (1, 2C, N, K): concat, 1x1 convolution, norm, ReLU."""
    around = feat[neighbors].permute(2, 0, 1)[None]  # (1, C, N, K)
    edges = torch.cat([around, around[..., :1].expand_as(around)], dim=1)
    value = torch.nn.functional.conv2d(edges, network.conv.weight.to(feat)[:, :, None, None])
    scale, shift = (None if x is None else x.to(feat) for x in (network.scale, network.shift))
    return torch.batch_norm(
        value, scale, shift, None, None, True, 0.0, 1e-5, torch.backends.cudnn.enabled
    ).relu()


def plain(student: Tensor, teacher: Tensor, loss: LocalGraphLoss) -> Tensor:
    """The definition, for one sample, with the networks and settings of ``loss``."""
    teacher = teacher.to(student.dtype)
    with torch.no_grad():
        score = teacher.amax(dim=1)
        anchors = score.topk(min(loss.num_anchors, len(score))).indices
        k = min(loss.num_neighbors, len(teacher))
        neighbors = square_distances(teacher[anchors], teacher).topk(k, largest=False).indices
        spread = score[anchors] - score[anchors].min()
        weight = (spread / spread.max() / loss.weights.temperature).softmax(dim=0) * len(anchors)
    taught = graph(teacher, neighbors, loss.graphs['teacher'])
    own = graph(student, neighbors, loss.graphs['student'])
    return ((own - taught).square() * weight[:, None]).mean()


def variants(elements: int, anchors: int, neighbors: int, device: str) -> tuple:
    """The two losses as functions of the student's features, and those features."""
    gen = torch.Generator().manual_seed(0)
    teacher = torch.randn(elements, WIDTHS['teacher_channels'], generator=gen).relu()
    student = torch.randn(elements, WIDTHS['student_channels'], generator=gen)
    torch.manual_seed(0)
    loss = LocalGraphLoss(**WIDTHS, num_anchors=anchors, num_neighbors=neighbors).to(device)
    teacher, student = teacher.to(device), student.to(device).requires_grad_()
    batch = torch.zeros(elements, dtype=torch.int64, device=device)
    ours = functools.partial(loss, teacher=teacher, batch=batch)
    return ours, functools.partial(plain, teacher=teacher, loss=loss), student


def measure(which: int, elements: int, args: argparse.Namespace) -> tuple[float, float]:
    """Median seconds, forward and backward, and peak MiB above the inputs; in a fresh process."""
    torch.set_num_threads(args.threads)
    value_and_grad(*_only(variants(256, 64, 8, args.device), which))  # libraries are loaded once
    loss, student = _only(variants(elements, args.anchors, args.neighbors, args.device), which)
    seconds = []

    def call() -> None:
        start = time.perf_counter()
        value_and_grad(loss, student)
        finish(args.device)
        seconds.append(time.perf_counter() - start)

    memory = max(peak_mib(call, args.device) for _ in range(args.repeats))
    return statistics.median(seconds), memory


def _only(both: tuple, which: int) -> tuple:
    return both[which], both[2]


def main() -> None:
    """Print one line per number of elements."""
    args = parse_args()
    begin(args)
    for elements, anchors, neighbors in ((300, 100, 16), (2000, 500, 32)):
        ours, definition, student = variants(elements, anchors, neighbors, args.device)
        print(f'{elements} elements: {check_equal(ours, definition, student, rtol=1e-4)}')
    print(f'{"elements":>8} {"ours s":>8} {"plain s":>8} {"ratio":>7} '
          f'{"ours MiB":>9} {"plain MiB":>9} {"share":>7}')  # fmt: skip
    fresh = dict(mp_context=multiprocessing.get_context('spawn'), max_tasks_per_child=1)
    with ProcessPoolExecutor(1, **fresh) as pool:
        for elements in args.elements:
            (fast, small), (slow, large) = (
                pool.submit(measure, which, elements, args).result() for which in (0, 1)
            )
            print(f'{elements:8d} {fast:8.2f} {slow:8.2f} {slow / fast:6.1f}x '
                  f'{small:9.0f} {large:9.0f} {share(small, large):6.1%}', flush=True)  # fmt: skip
            if elements == 100_000:
                report_goal('local graph, 100,000 elements: plain / ours', slow / fast, '>=', 1.0)
                report_goal('local graph, 100,000 elements: memory of plain',
                            100 * share(small, large), '<=', 10, ' %')  # fmt: skip


if __name__ == '__main__':
    main()
