import pytest
import torch

from projects.SRKD.losses.divergence import divergence_terms, with_t2


@pytest.mark.parametrize('gap', [0.0, 1e-3, 0.3, 5.0])
def test_terms_sum_to_the_divergence_and_none_is_negative(gap):
    gen = torch.Generator().manual_seed(0)
    logits = torch.randn(40, generator=gen, dtype=torch.float64)
    log_p = logits.log_softmax(0)
    log_q = (logits + gap * torch.randn(40, generator=gen, dtype=torch.float64)).log_softmax(0)
    terms = divergence_terms(log_p, log_q)
    assert (terms >= 0).all()
    expected = (log_p.exp() * (log_p - log_q)).sum()
    torch.testing.assert_close(terms.sum(), expected, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.7])
def test_the_factor_is_the_square_of_the_temperature_where_it_is_wanted(temperature):
    value = torch.tensor(0.3, dtype=torch.float64)
    torch.testing.assert_close(with_t2(value, temperature), value * temperature * temperature)
    assert with_t2(value, temperature, t2_scale=False) is value
