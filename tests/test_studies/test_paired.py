import itertools
import math

import numpy as np
import pytest

from studies.paired import Verdict, holm, paired_difference, pairs_needed, smallest_p, verdict

CLEAR = [2.0, 3.0, 1.5, 2.5, 2.2, 1.8, 2.9, 2.1]


def test_p_is_the_share_of_all_signs_that_lie_as_far_out():
    gains = np.array([1.3, -0.4, 2.0, 0.7, 1.1, -0.2, 0.9])
    means = [np.mean(gains * signs) for signs in itertools.product((1, -1), repeat=len(gains))]
    expected = np.mean([abs(mean) >= abs(gains.mean()) - 1e-12 for mean in means])
    assert paired_difference(gains).p == pytest.approx(expected)


def test_t_interval_is_the_textbook_one():
    found = paired_difference(CLEAR)
    half = 2.364624251 * np.std(CLEAR, ddof=1) / math.sqrt(8)  # t of 7 degrees at 97.5 %
    assert found.t == pytest.approx((found.mean - half, found.mean + half))


def test_bca_interval_leans_to_the_longer_tail():
    skewed = [0.1, 0.2, 0.15, 0.1, 0.3, 0.2, 5.0, 0.25]
    low, high = paired_difference(skewed).bca
    mean = np.mean(skewed)
    assert high - mean > mean - low > 0


def test_bca_interval_is_nearly_the_t_interval_of_many_symmetric_gains():
    gains = np.random.default_rng(0).normal(1, 2, 400)
    found = paired_difference(gains)
    assert found.bca == pytest.approx(found.t, abs=0.03)


def test_the_same_gains_give_the_same_interval_every_time():
    assert paired_difference(CLEAR) == paired_difference(CLEAR)


def test_equal_gains_have_an_interval_of_no_width():
    found = paired_difference([1.0] * 6)
    assert found.bca == found.t == (1.0, 1.0)
    assert found.p == pytest.approx(smallest_p(6))


def test_one_pair_has_no_interval():
    found = paired_difference([1.5])
    assert math.isnan(found.bca[0]) and math.isnan(found.std)
    assert verdict(found, found.p, 1) is Verdict.TOO_FEW


def test_a_tie_counts_half_an_improvement():
    assert paired_difference([1.0, 0.0, -1.0, 2.0]).improvement == 0.625


@pytest.mark.parametrize('gains', [[], [1.0, float('nan')], [float('inf')]])
def test_what_is_no_number_is_refused_not_averaged(gains):
    with pytest.raises(ValueError, match='gains must be one or more finite numbers, but got'):
        paired_difference(gains)


def test_holm_multiplies_the_smallest_most_and_never_falls():
    assert holm({'a': 0.02, 'b': 0.01, 'c': 0.9}) == {'b': 0.03, 'a': 0.04, 'c': 0.9}
    assert holm({'a': 0.03, 'b': 0.031}) == pytest.approx({'a': 0.06, 'b': 0.06})
    assert holm({}) == {}


@pytest.mark.parametrize(
    ('pairs', 'claims', 'word'),
    [
        (5, 1, Verdict.TOO_FEW),
        (6, 1, Verdict.SHOWN),
        (6, 2, Verdict.TOO_FEW),  # 2 * 0.03125 can never be below 0.05
        (7, 3, Verdict.SHOWN),
        (8, 6, Verdict.SHOWN),
        (8, 7, Verdict.TOO_FEW),
    ],
)
def test_pairs_carry_only_so_many_claims(pairs, claims, word):
    found = paired_difference(CLEAR[:pairs])
    assert verdict(found, min(1.0, claims * found.p), claims) is word


def test_a_claim_needs_the_test_and_the_interval():
    clear = paired_difference(CLEAR)
    assert verdict(clear, 0.06, 1) is Verdict.NOT_SHOWN
    negative = paired_difference([-gain for gain in CLEAR])
    assert verdict(negative, negative.p, 1) is Verdict.NOT_SHOWN  # it costs: another claim


def test_pairs_needed_find_the_effect_as_often_as_promised():
    pairs = pairs_needed(effect=2.0, std=2.5)
    rng = np.random.default_rng(0)
    from scipy import stats

    draws = rng.normal(2.0, 2.5, (4000, pairs))
    found = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05)
    assert 0.77 < found < 0.86
    with pytest.raises(ValueError, match='must be known and not zero'):
        pairs_needed(0.0, 1.0)
