import pytest
import torch

from projects.SRKD.ops import rank_share


def test_a_single_process_does_not_compute_what_its_mean_divides_by():
    """The count often costs as much as the loss; several processes: test_losses."""

    def count():
        pytest.fail('counted')

    assert rank_share(count, torch.zeros(1)) == 1.0
