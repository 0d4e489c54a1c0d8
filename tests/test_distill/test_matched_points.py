from dataclasses import dataclass

import pytest
import torch

from projects.SRKD.distill import (
    DetectorMatcher,
    Features,
    MatchedPoints,
    Matcher,
    PointMatcher,
)
from projects.SRKD.distill.matched_points import matched_field


class FirstRows(Matcher[int]):
    """The teacher covers as many of the student's first rows as its view says."""

    def pair(self, learned, taught):
        rows = len(learned.feat)
        covered = None if self.teacher is None else torch.arange(rows) < self.teacher
        return MatchedPoints(
            learned.feat, taught.feat, torch.zeros(rows, 3), torch.arange(rows), stage=2
        ), covered


def features(rows, seed):
    gen = torch.Generator().manual_seed(seed)
    return Features(torch.randn(rows, 2, generator=gen).requires_grad_())


@pytest.mark.parametrize('covered', [None, 5, 3, 0])
def test_rows_without_a_teacher_are_left_out_and_the_teacher_is_detached(covered):
    matcher = FirstRows(5, covered)
    learned, taught = features(5, 0), features(5, 1)
    pair = matcher(learned, taught)
    kept = 5 if covered is None else covered
    assert torch.equal(pair.student, learned.feat[:kept]) and pair.student.requires_grad
    assert torch.equal(pair.teacher, taught.feat[:kept]) and not pair.teacher.requires_grad
    assert pair.batch.tolist() == list(range(kept)) and pair.stage == 2 and pair.label is None
    assert matcher.left_out == 5 - kept
    matcher(learned, taught)
    assert matcher.left_out == 2 * (5 - kept)  # of all calls


def test_both_matchers_keep_the_contract():
    assert issubclass(PointMatcher, Matcher) and issubclass(DetectorMatcher, Matcher)
    assert PointMatcher.__call__ is DetectorMatcher.__call__ is Matcher.__call__
    with pytest.raises(TypeError, match='abstract method'):
        Matcher(None, None)


@dataclass(frozen=True)
class WithHeight(MatchedPoints):
    height: torch.Tensor | None = matched_field(of_rows=True, default=None, cure='tap a tower')


def test_a_new_field_is_named_once():
    pair = WithHeight(*torch.zeros(4, 3, 2), height=torch.arange(3.0))
    assert WithHeight.names() == (*MatchedPoints.names(), 'height')
    assert WithHeight.cures() == {**MatchedPoints.cures(), 'height': 'tap a tower'}
    assert pair.rows(torch.tensor([2, 0])).height.tolist() == [2.0, 0.0]


def test_only_what_no_loss_does_without_has_a_cure():
    assert set(MatchedPoints.cures()) == {'count', 'boxes', 'classes', 'cell_size'}
