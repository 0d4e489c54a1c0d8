"""Few rows that stand for many.

Shape letters: N rows, L columns.
"""

from torch import Tensor


def herding_order(rows: Tensor) -> list[int]:
    r"""Order rows so that the mean of the first k lies near the mean of all, for every k.

    .. math::
        i_k = \arg\min_{i \notin \{i_1 \dots i_{k-1}\}}
              \Big\| \mu - \frac{1}{k} \Big(p_i + \sum_{j<k} p_{i_j}\Big) \Big\|,
        \qquad \mu = \frac{1}{N} \sum_i p_i

    Source: Welling 2009 (herding), in the form of Rebuffi et al. 2017 (iCaRL, algorithm 4). Which
    rows come first does not depend on how many are wanted. Of equally near rows the lower number is
    taken; sums are of float64.

    Args:
        rows: ``(N, L)``.

    Returns:
        Numbers of all N rows.

    Example:
        >>> import torch
        >>> herding_order(torch.tensor([[0.0], [1.0], [5.0], [6.0]]))  # their mean is 3
        [1, 2, 0, 3]
    """
    rows = rows.detach().double().cpu()
    mean, total = rows.mean(0), rows.new_zeros(rows.shape[1])
    order, left = [], list(range(len(rows)))
    while left:
        means = (total + rows[left]) / (len(order) + 1)  # (rows left, L)
        nearest = left.pop(int((means - mean).square().sum(1).argmin()))
        order.append(nearest)
        total = total + rows[nearest]
    return order
