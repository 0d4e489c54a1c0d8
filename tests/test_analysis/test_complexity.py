import mmdet3d
import pytest
import torch
from mmengine.config import Config
from torch.utils.flop_counter import FlopCounterMode
from toy import batch, build, minkunet, ptv3
from toy_detectors import centerpoint, pointpillars, scenes

from projects.SRKD.analysis.complexity import Complexity, complexity_table, measure
from projects.SRKD.analysis.networks import predict
from projects.SRKD.analysis.operations import count_operations

PILLARS = f'{mmdet3d.__path__[0]}/.mim/configs/_base_/models/pointpillars_hv_secfpn_kitti.py'


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
    with pytest.raises(
        ValueError, match='scenes and repeats must be at least 1 each, but got 0 and 10'
    ):
        measure(build(minkunet()), [])


def test_table_has_ratio_and_tells_what_is_not_measured():
    costs = {
        'student': Complexity(1000, {'linear': 2e9}, (1.0, 2.0, 3.0), None),
        'teacher': Complexity(4000, {'linear': 6e9, 'attention': 1e9}, (4.0, 5.0, 6.0), 2**30),
    }
    header, _, student, teacher, *notes = complexity_table(costs, 'teacher').splitlines()
    assert '4.00x' in student and 'not measured on CPU' in student
    assert '1.00x' in teacher and '7.00 (linear 6.00, attention 1.00)' in teacher
    assert '1024 MiB' in teacher and '5.0 (4.0 .. 6.0)' in teacher
    assert 'median' in notes[0] and 'are two operations' in notes[1] and header.index('ratio')


@pytest.mark.parametrize('config', [pointpillars(), centerpoint()], ids=['anchors', 'centers'])
def test_detectors_are_measured_through_their_predictions(config):
    network = build(config).eval()
    frame = scenes((300,), code_size=9 if config['type'] == 'CenterPoint' else 7)
    cost = measure(network, [frame], warmup=0, repeats=1)
    with FlopCounterMode(display=False) as theirs:
        found = predict(network, frame).pred_instances_3d
    assert sum(cost.flops.values()) == theirs.get_total_flops() > 0
    assert set(cost.flops) == {'linear', 'convolution'} and found.scores_3d.ndim == 1


@pytest.mark.parametrize(
    'compression, paper, above', [(1, 34.3e9, 0.005), (4, 9.0e9, 0.02), (16, 2.5e9, 0.04)]
)
def test_operations_of_pointpillars_are_those_of_the_paper(compression, paper, above):
    """What the paper calls FLOPs are multiply-adds, half of our operations, with normalization."""
    model = Config.fromfile(PILLARS).model
    if compression > 1:
        model = dict(type='CompressedDetector', detector=model, compression=compression)
    network = build(model).to('meta').eval()
    width = network.backbone.blocks[0][0].in_channels
    with count_operations(network) as counter:
        maps = network.neck(network.backbone(torch.empty(1, width, 496, 432, device='meta')))
        network.bbox_head(maps)
    assert (1 - above) * paper < counter.flops['convolution'] / 2 < paper
