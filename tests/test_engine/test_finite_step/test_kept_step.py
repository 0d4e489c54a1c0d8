"""What is written of a step, and how its bits are compared."""

import torch

from projects.SRKD.engine.finite_step.kept_step import arithmetic, digest


def test_a_checksum_is_of_bits_names_shapes_and_kinds():
    value = torch.tensor([[1.0, float('nan')], [0.0, -float('inf')]])
    same = digest(dict(a=value))
    assert digest(dict(a=value.t().contiguous().t())) == same  # however it lies in memory
    assert digest(dict(b=torch.ones(1), a=value)) == digest(dict(a=value, b=torch.ones(1)))
    others = [
        dict(b=value), dict(a=value.t()), dict(a=value.flatten()), dict(a=value.double()),
        dict(a=-value), dict(a=value.nextafter(torch.ones(()))), {},
    ]  # fmt: skip
    assert len({same, *map(digest, others)}) == len(others) + 1
    assert digest(dict(a=torch.tensor(2.0), b=torch.ones(2).bfloat16()))


def test_arithmetic_is_told_in_plain_data():
    told = arithmetic(torch.device('cpu'))
    assert told['device'] == 'cpu' and told['threads'] == torch.get_num_threads()
