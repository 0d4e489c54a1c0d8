"""Fidelity against plain loops."""

import math

import pytest
import torch
from torch import nn

from projects.SRKD.analysis.fidelity import Fidelity, fidelity
from projects.SRKD.base import UsageError


def by_loops(student, teacher):
    same, total = 0, 0.0
    for own, taught in zip(student.tolist(), teacher.tolist(), strict=True):
        own_sum = sum(math.exp(x) for x in own)
        taught_sum = sum(math.exp(x) for x in taught)
        same += own.index(max(own)) == taught.index(max(taught))
        for x, y in zip(own, taught, strict=True):
            p = math.exp(y) / taught_sum
            total += p * (math.log(p) - math.log(math.exp(x) / own_sum))
    return same / len(student), total / len(student)


def test_agreement_and_divergence_are_means_over_all_points_of_all_scans():
    student, teacher = torch.randn(2, 30, 5, dtype=torch.float64)
    found = Fidelity()
    found.add(student[:10], teacher[:10])
    found.add(student[10:], teacher[10:])
    agreement, kl = by_loops(student, teacher)
    assert found.result() == pytest.approx(dict(agreement=agreement, kl=kl))


def test_a_network_agrees_with_itself():
    logits = torch.randn(20, 4)
    found = Fidelity()
    found.add(logits, logits + 3)  # a shift of all logits says nothing
    assert found.result() == pytest.approx(dict(agreement=1.0, kl=0.0), abs=1e-6)


def test_other_points_and_no_points_are_refused():
    found = Fidelity()
    with pytest.raises(UsageError, match='needs a scan with points'):
        found.result()
    with pytest.raises(UsageError, match=r'logits of the same points .* \(3, 4\) and \(2, 4\)'):
        found.add(torch.zeros(3, 4), torch.zeros(2, 4))


class Segmentor(nn.Module):
    """Gives the logits it was made with, in mmdet3d's form."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def test_step(self, batch):
        from mmdet3d.structures import Det3DDataSample, PointData

        sample = Det3DDataSample()
        sample.pts_seg_logits = PointData(pts_seg_logits=self.logits[batch].T)
        return [sample]


def test_two_segmentors_are_compared_scan_by_scan():
    student, teacher = torch.randn(2, 3, 12, 5)
    found = fidelity(Segmentor(student), Segmentor(teacher), range(3))
    agreement, kl = by_loops(student.flatten(0, 1), teacher.flatten(0, 1))
    assert found == pytest.approx(dict(agreement=agreement, kl=kl), rel=1e-5)
