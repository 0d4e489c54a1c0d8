import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from toy import batch, build, minkunet, ptv3

from projects.SRKD.analysis.complexity import Complexity, complexity_table, measure
from projects.SRKD.analysis.networks import predict


def scene(points=400, seed=0):
    return batch(sizes=(points,), seed=seed)


@pytest.mark.parametrize('config', [ptv3(), minkunet()], ids=['ptv3', 'minkunet'])
def test_operations_are_those_torch_carries_out(config):
    network = build(config).eval()
    cost = measure(network, [scene()], warmup=0, repeats=1)
    # On CPU sparse convolutions gather exactly their pairs, and attention written out is two
    # matrix products: torch then counts all we count.
    with (
        FlopCounterMode(display=False) as theirs,
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):
        predict(network, scene())
    assert sum(cost.flops.values()) == theirs.get_total_flops()
    assert cost.flops['sparse convolution'] > 0
    assert cost.parameters == sum(p.numel() for p in network.parameters())


def test_operations_are_averaged_over_scenes_and_grow_with_them():
    network = build(minkunet()).eval()
    small, large = scene(100), scene(800)
    flops = [
        measure(network, scenes, 0, 1).flops['sparse convolution']
        for scenes in ([small], [large], [small, large])
    ]
    assert flops[0] < flops[1]
    assert flops[2] == pytest.approx((flops[0] + flops[1]) / 2)


def test_percentiles_are_ordered_and_memory_is_honest():
    network = build(minkunet()).eval()
    cost = measure(network, [scene()], warmup=1, repeats=5)
    assert 0 < cost.ms[0] <= cost.ms[1] <= cost.ms[2]
    assert cost.memory is None  # on CPU


def test_nothing_to_measure_is_refused():
    with pytest.raises(ValueError, match='at least one scene and one repeat, got 0 and 10'):
        measure(build(minkunet()), [])


def test_table_has_ratio_and_tells_what_is_not_measured():
    costs = {
        'student': Complexity(1000, {'linear': 2e9}, (1.0, 2.0, 3.0), None),
        'teacher': Complexity(4000, {'linear': 6e9, 'attention': 1e9}, (4.0, 5.0, 6.0), 2**30),
    }
    header, _, student, teacher, note = complexity_table(costs, 'teacher').splitlines()
    assert '4.00x' in student and 'not measured on CPU' in student
    assert '1.00x' in teacher and '7.00 (linear 6.00, attention 1.00)' in teacher
    assert '1024 MiB' in teacher and '5.0 (4.0 .. 6.0)' in teacher
    assert 'median' in note and header.index('ratio')
