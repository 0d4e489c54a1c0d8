import pytest

from projects.SRKD.base import FileInTheWayError, FileMissingError, UsageError, UsageTypeError


@pytest.mark.parametrize(
    'kind, builtin',
    [
        (UsageError, ValueError),
        (UsageTypeError, TypeError),
        (FileMissingError, FileNotFoundError),
        (FileInTheWayError, FileExistsError),
    ],
)
def test_a_mistake_of_use_is_also_the_builtin_that_callers_expect(kind, builtin):
    with pytest.raises(builtin) as caught:
        raise kind('loss_weight must be >= 0, got -1')
    assert isinstance(caught.value, UsageError)
    assert str(caught.value) == 'loss_weight must be >= 0, got -1'
