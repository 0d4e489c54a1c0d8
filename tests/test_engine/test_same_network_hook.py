"""What is validated in two processes, whose batch norms have seen other scans."""

import copy
from types import SimpleNamespace

import torch
from mmengine.model import MMDistributedDataParallel
from processes import run_group
from torch import nn

from projects.SRKD.engine import SameNetworkHook


def network():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    net.register_buffer('seen', torch.tensor([False, False]))
    return net


def _rank(rank):
    net = network()
    runner = SimpleNamespace(model=MMDistributedDataParallel(net, device_ids=None))
    with torch.no_grad():
        runner.model(torch.rand(8, 3) + rank)  # trains the running statistics
    net.seen[rank] = True
    before = copy.deepcopy(net.state_dict())
    SameNetworkHook().before_val_epoch(runner)
    return before, net.state_dict()


def test_all_ranks_validate_the_network_of_the_first():
    (first, same), (other, copied) = run_group(_rank, 2)
    assert not torch.equal(first['1.running_mean'], other['1.running_mean'])
    for name, value in first.items():
        assert torch.equal(value, same[name]) and torch.equal(value, copied[name]), name


def test_one_process_has_nobody_to_ask():
    net = network()
    before = copy.deepcopy(net.state_dict())
    SameNetworkHook().before_val_epoch(SimpleNamespace(model=net))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
