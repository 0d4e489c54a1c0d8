import copy

import pytest
import torch
from mmcv.cnn import build_norm_layer
from torch import nn

from projects.SRKD.models import PillarBatchNorm1d


@pytest.mark.parametrize('shape', [(7, 4, 5), (7, 4), (1, 4, 3)])
@pytest.mark.parametrize('training', [True, False])
def test_it_equals_batch_norm_in_value_gradient_and_statistics(shape, training):
    torch.manual_seed(0)
    plain = nn.BatchNorm1d(4, eps=1e-3, momentum=0.01).double()
    nn.init.normal_(plain.weight)
    nn.init.normal_(plain.running_mean)
    rows = PillarBatchNorm1d(4, eps=1e-3, momentum=0.01).double()
    rows.load_state_dict(copy.deepcopy(plain.state_dict()), strict=True)
    x = torch.randn(shape, dtype=torch.float64)
    upstream = torch.randn(shape, dtype=torch.float64)
    found = []
    for norm in (plain.train(training), rows.train(training)):
        given = x.clone().requires_grad_()
        value = norm(given)
        value.backward(upstream)
        found.append([value, given.grad, norm.weight.grad, norm.bias.grad, norm.running_var])
    for one, other in zip(*found):
        torch.testing.assert_close(one, other)


def test_it_is_built_from_a_norm_config():
    name, norm = build_norm_layer(dict(type='PillarBatchNorm1d', eps=1e-3), 8)
    assert name == 'bn' and isinstance(norm, PillarBatchNorm1d) and norm.eps == 1e-3
