import io

import pytest
import torch

from projects.SRKD import compat
from projects.SRKD.ops.spconv_layout import to_spconv2

spconv = pytest.importorskip('spconv.pytorch')
pytest.importorskip('mmdet3d')
compat.apply()


def network():
    return spconv.SparseSequential(
        spconv.SubMConv3d(4, 6, 3, indice_key='a'), spconv.SparseConv3d(6, 5, 2, 2, bias=False)
    )


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


def old_loader():
    """What mmdet3d put in place, before the cure."""
    return spconv.SparseModule._load_from_state_dict.original


@pytest.mark.parametrize(
    'make', [dict, lambda state: {k: v for k, v in state.items() if v.numel()}, lambda state: state]
)
def test_state_dict_without_metadata_loads_unchanged(make):
    source, target = network(), network()
    assert not equal(source, target)
    target.load_state_dict(make(source.state_dict()), strict=True)
    assert equal(source, target)


def test_renamed_state_dict_loads_strictly_below_a_prefix():
    source, target = network(), torch.nn.ModuleDict(dict(student=network()))
    renamed = {f'student.{key}': value for key, value in source.state_dict().items()}
    assert not target.load_state_dict(renamed, strict=True).missing_keys
    assert equal(source, target['student'])


def test_saved_and_reloaded_weights_come_back():
    source, target, buffer = network(), network(), io.BytesIO()
    torch.save(source.state_dict(), buffer)
    buffer.seek(0)
    target.load_state_dict(torch.load(buffer, weights_only=True))
    assert equal(source, target)


def test_kernels_of_spconv_1_are_turned():
    source, target = network(), network()
    old = {
        key: value.movedim(0, -1) if value.dim() > 1 else value
        for key, value in source.state_dict().items()
    }
    target.load_state_dict(old, strict=True)
    assert equal(source, target)


def test_other_sizes_are_refused_and_missing_keys_named():
    state = dict(network().state_dict())
    with pytest.raises(RuntimeError, match=r'size mismatch for 0.weight'):
        spconv.SparseSequential(spconv.SubMConv3d(4, 7, 3)).load_state_dict(state, strict=False)
    del state['0.bias']
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "0.bias"'):
        network().load_state_dict(state)


def test_what_was_loaded_is_not_changed():
    state = dict(network().state_dict())
    before = {key: value.clone() for key, value in state.items()}
    network().load_state_dict(state)
    assert all(torch.equal(before[key], state[key]) for key in before)


@pytest.mark.shows_a_fault
def test_without_the_cure_a_plain_dict_is_refused(monkeypatch):
    monkeypatch.setattr(spconv.SparseModule, '_load_from_state_dict', old_loader())
    with pytest.raises(RuntimeError, match='size mismatch for 0.weight'):
        network().load_state_dict(dict(network().state_dict()))


def test_a_kernel_that_fits_as_it_is_stays():
    kernel = torch.randn(3, 3, 3, 3, 3)  # both layouts have this shape
    assert to_spconv2(kernel, kernel.shape) is kernel
