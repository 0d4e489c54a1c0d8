"""What a step of SRKD costs beside the student's own step and the teacher's forward pass.

    python benchmarks/bm_step.py [--pairs mini half] [--clouds 8] [--voxels 4000] [--device cuda]

All terms of ``configs/_base_/distill/srkd.py`` on clouds of equally many voxels. Before timing, the
step's gradients are compared with those of student and terms run apart. Terms are timed forward
and backward, from taps to their gradient in the student's features.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Callable
from pathlib import Path

from arguments import options

# Student and teacher; half: SRKD's own pair, 11.6 M and 104 M parameters.
PAIRS = dict(
    mini=(
        'mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py',
        'mini/ptv3-mini-t_1xb4-20e_mini-scannet-seg.py',
    ),
    half_base=(
        'srkd/ptv3-half_4xb2-800e_scannet-seg.py',
        'srkd/ptv3-base_4xb2-800e_scannet-seg.py',
    ),
    half=(
        'srkd/ptv3-half_4xb2-800e_scannet-seg.py',
        'srkd/ptv3-large_4xb2-800e_scannet-seg.py',
    ),
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = options(__doc__, repeats=5)
    parser.add_argument(
        '--pairs', nargs='+', choices=PAIRS, default=['mini'], help='of student and teacher'
    )
    parser.add_argument('--clouds', type=int, default=8, help='of a batch (default 8)')
    parser.add_argument('--voxels', type=int, default=4000, help='of each cloud (default 4000)')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and mistakes are told before the slow imports

import torch
from mmdet3d.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from scenes import room_batch
from timing import begin, in_turn, peak_mib, report_goal
from torch import Tensor, nn

import projects.SRKD  # noqa: F401  registers everything

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
VOXEL_SIZE = 0.08  # meters: every procedural room then has a few thousand voxels


def build(pair: str, folder: Path, device: str) -> nn.Module:
    """The distilled student of a pair in training mode.

    Its teacher has random weights, which are kept in ``folder`` for the next call.
    """
    init_default_scope('mmdet3d')
    student, teacher = (Config.fromfile(CONFIGS / path).model for path in PAIRS[pair])
    for config in (student, teacher):
        config.data_preprocessor.update(voxel_size=VOXEL_SIZE, max_voxels=None)
    checkpoint = random_teacher(pair, teacher, folder)
    torch.manual_seed(0)
    terms = Config.fromfile(CONFIGS / '_base_/distill/srkd.py').distill.terms
    config = dict(
        type='DistillSegmentor',
        student=student,
        teacher=dict(config=teacher, checkpoint=checkpoint),
        terms=terms,
    )
    return MODELS.build(ConfigDict(config)).to(device).train()


def random_teacher(pair: str, config: ConfigDict, folder: Path) -> str:
    """Checkpoint of a teacher with random weights, written at the first call."""
    checkpoint = folder / f'{pair}.pth'
    if not checkpoint.exists():
        torch.manual_seed(0)
        torch.save(MODELS.build(ConfigDict(config.to_dict())).state_dict(), checkpoint)
    return str(checkpoint)


def prepared(model: nn.Module, batch: dict) -> tuple[dict, list]:
    """Inputs and samples of a batch, voxelized anew, on the model's device."""
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    return data['inputs'], data['data_samples']


def update(model: nn.Module, losses: dict, optimizer: torch.optim.Optimizer) -> None:
    """Backward and step, as a runner does."""
    total, _ = model.parse_losses(losses)
    optimizer.zero_grad()
    total.backward()
    optimizer.step()


def terms_of(model: nn.Module, batch: dict) -> dict[str, Callable[[], object]]:
    """Calls that take one piece of a step each: the matching, and every term."""
    inputs, samples = prepared(model, batch)
    taught = model.teacher(inputs, samples)
    with model.taps as learned:
        model.student(inputs, samples, mode='loss')
    both = (inputs, samples)

    def match() -> dict:
        matcher = model.matcher(both, both)
        taps = dict.fromkeys((term.student_tap, term.teacher_tap) for term in model.terms.values())
        return {(ours, theirs): matcher(learned[ours], taught[theirs]) for ours, theirs in taps}

    pairs = match()
    calls: dict[str, Callable[[], object]] = dict(matching=match)
    for name, term in model.terms.items():
        pair = pairs[term.student_tap, term.teacher_tap]
        pair = pair.replace(student=pair.student.detach().requires_grad_())
        calls[name] = lambda term=term, pair=pair: torch.autograd.grad(term(pair), pair.student)
    return calls


def check(model: nn.Module, batch: dict) -> str:
    """Compare the step's gradients with those of the student's losses and the terms run apart.

    Raises:
        AssertionError: If they differ by more than rounding.
    """

    def gradient(total: Tensor) -> Tensor:
        found = torch.autograd.grad(total, list(model.parameters()), allow_unused=True)
        return torch.cat([grad.flatten() for grad in found if grad is not None])

    def total(losses: dict) -> Tensor:
        return sum(value for key, value in losses.items() if 'loss' in key)

    inputs, samples = prepared(model, batch)
    torch.manual_seed(1)
    together = gradient(total(model.loss(inputs, samples)))
    torch.manual_seed(1)  # the same drop path; terms then draw the same points
    taught = model.teacher(inputs, samples)
    with model.taps as learned:
        own = total(model.student(inputs, samples, mode='loss'))
    matcher = model.matcher((inputs, samples), (inputs, samples))
    for term in model.terms.values():
        own = own + term(matcher(learned[term.student_tap], taught[term.teacher_tap]))
    apart = gradient(own)
    off = ((together - apart).norm() / apart.norm()).item()
    assert off < 1e-4, off
    return f'gradients off by {off:.0e}'


def measure(pair: str, folder: Path, args: argparse.Namespace) -> None:
    """Print one pair's table and its goal."""
    model = build(pair, folder, args.device)
    batch = room_batch(args.clouds, args.voxels, VOXEL_SIZE)
    networks = model.student, model.teacher.to(torch.device(args.device))
    sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    print(f'{pair}: student {sizes[0]:,}, teacher {sizes[1]:,} parameters; {check(model, batch)}')
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    calls = dict(
        srkd=lambda: update(model, model.loss(*prepared(model, batch)), optimizer),
        student=lambda: update(
            model, model.student(*prepared(model, batch), mode='loss'), optimizer
        ),
        teacher=lambda: model.teacher(*prepared(model, batch)),
        voxels=lambda: prepared(model, batch),
    )
    seconds = in_turn(calls, args.repeats, args.device)
    # The student's step has voxelized already: the teacher's share is its network alone.
    forward = seconds['teacher'] - seconds['voxels']
    ratio = seconds['srkd'] / (seconds['student'] + forward)
    parts = in_turn(terms_of(model, batch), args.repeats, args.device)
    print(f'{"part":>16} {"ms":>9} {"of SRKD step":>12} {"peak MiB":>9}')
    for name, call in calls.items():
        memory = peak_mib(call, args.device)
        taken = forward if name == 'teacher' else seconds[name]
        print(f'{name:>16} {1e3 * taken:9.1f} {taken / seconds["srkd"]:12.1%} {memory:9.0f}')
    for name, taken in parts.items():
        print(f'{name:>16} {1e3 * taken:9.1f} {taken / seconds["srkd"]:12.1%}')
    what = f'{pair} pair, {args.clouds} clouds of {args.voxels:,} voxels'
    report_goal(f'{what}: SRKD step / (student step + teacher forward)', ratio, '<=', 1.10)
    print(f'{what}: SRKD step / student step {seconds["srkd"] / seconds["student"]:.2f}x')


def main() -> None:
    """Print one table per pair."""
    args = parse_args()
    begin(args)
    with tempfile.TemporaryDirectory() as folder:
        for pair in args.pairs:
            measure(pair, Path(folder), args)


if __name__ == '__main__':
    main()
