import hashlib
import io
import os
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict

from projects.SRKD.base import UsageError
from projects.SRKD.compat.safe_pickle import Foreign, load_checkpoint
from projects.SRKD.compat.weight_files import write_weights


class Hostile:
    """Creates a file when it is unpickled by an ordinary unpickler."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class HostileState:
    def __reduce__(self):
        return eval, ("__import__('os').mkdir('never')",)


class SomebodysClass:
    def __init__(self):
        self.values = [1, 2]


class SomebodysList(list):
    pass


class SomebodysDict(dict):
    pass


def save(content, path, **kwargs):
    torch.save(content, path, **kwargs)
    return path


def test_the_metainfo_of_a_data_set_comes_back_as_a_resume_compares_it(tmp_path):
    names = ('wall', 'floor')
    meta = dict(
        classes=names,
        label2cat=ConfigDict(dict(enumerate(names))),
        palette=[[1, 2, 3], [4, 5, 6]],
        label_mapping=ConfigDict({0: 2, 1: 0, 'nested': {'a': 1}}),
        ids=np.arange(3),
    )
    found = load_checkpoint(save(dict(meta=meta), tmp_path / 'a.pth'))['meta']
    assert pickle.dumps(found) == pickle.dumps(meta)  # mmengine's comparison
    assert isinstance(found['label_mapping'].nested, ConfigDict)


def test_weights_and_plain_data_come_back_equal(tmp_path):
    weight = torch.randn(3, 4)
    content = dict(
        state_dict=OrderedDict(weight=weight, half=weight.half(), view=weight.t()[1:]),
        param=torch.nn.Parameter(torch.ones(2)),
        number=1.5,
        flag=None,
        names=('a', 'b'),
        ids={1, 2},
        size=torch.Size([2, 3]),
        dtype=torch.bfloat16,
        device=torch.device('cpu'),
        groups=defaultdict(list, a=[1]),
        array=np.arange(6).reshape(2, 3),
        scalar=np.float64(2.5),
        words=np.array(['x', 'yz']),
        objects=np.array([1, 'a'], dtype=object),
        raw=b'\x00\xff',
    )
    found = load_checkpoint(save(content, tmp_path / 'a.pth'))
    assert list(found) == list(content)
    for key, value in content['state_dict'].items():
        torch.testing.assert_close(found['state_dict'][key], value, rtol=0, atol=0)
    assert isinstance(found['param'], torch.nn.Parameter) and found['param'].requires_grad
    for key in ('array', 'words', 'objects', 'scalar'):
        assert found[key].dtype == content[key].dtype
        np.testing.assert_array_equal(found[key], content[key])
    for key in ('number', 'flag', 'names', 'ids', 'size', 'dtype', 'device', 'groups', 'raw'):
        assert found[key] == content[key]


@pytest.mark.parametrize('zipped', [True, False])
def test_malicious_pickle_stays_inert_and_its_weights_load(tmp_path, zipped):
    target = tmp_path / 'created'
    path = save(
        dict(state_dict=dict(weight=torch.ones(2)), evil=Hostile(target)),
        tmp_path / 'evil.pth',
        _use_new_zipfile_serialization=zipped,
    )
    found = load_checkpoint(path)
    assert not target.exists()
    assert isinstance(found['evil'], Foreign) and found['evil'].origin.endswith('.mkdir')
    assert found['state_dict']['weight'].tolist() == [1, 1]
    torch.load(path, weights_only=False)  # the attack is real
    assert target.exists()


def test_evaluated_strings_stay_inert(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load_checkpoint(save([HostileState()], tmp_path / 'evil.pth'))
    assert not (tmp_path / 'never').exists()


def test_nothing_is_imported(tmp_path):
    raw = b'\x80\x02cantigravity\nfly\n.'  # the global antigravity.fly
    found = pickle_of(raw, tmp_path)
    import sys

    assert issubclass(found, Foreign) and 'antigravity' not in sys.modules


def pickle_of(raw, tmp_path):
    """Read a hand-written pickle as the content of a checkpoint."""
    import zipfile

    source = io.BytesIO()
    torch.save(0, source)
    path = tmp_path / 'crafted.pth'
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, 'w') as new:
        for name in old.namelist():
            new.writestr(name, raw if name.endswith('data.pkl') else old.read(name))
    return load_checkpoint(path)


def test_getattr_cannot_reach_a_method(tmp_path):
    raw = pickle.dumps(np.ndarray.tofile, protocol=2)  # written as getattr(numpy.ndarray, 'tofile')
    assert b'getattr' in raw
    assert isinstance(pickle_of(raw, tmp_path), Foreign)


def test_hooks_saved_with_a_tensor_are_dropped(tmp_path):
    weight = torch.ones(2, requires_grad=True)
    weight._backward_hooks = OrderedDict({0: print})
    found = load_checkpoint(save(weight, tmp_path / 'hooked.pth'))
    assert found.requires_grad and not found._backward_hooks


def test_objects_of_other_classes_become_foreign(tmp_path):
    nested = dict(
        one=SomebodysClass(),
        many=SomebodysList([1, 2]),
        table=SomebodysDict(a=1),
        kept=[1, dict(deep=torch.zeros(1))],
    )
    found = load_checkpoint(save(nested, tmp_path / 'foreign.pth'))
    assert all(isinstance(found[key], Foreign) for key in ('one', 'many', 'table'))
    assert 'SomebodysClass' in repr(found['one'])
    assert found['kept'][1]['deep'].tolist() == [0]
    pickle.loads(pickle.dumps(found['one']))  # a resumed run can save it again


def test_whole_modules_are_not_rebuilt(tmp_path):
    found = load_checkpoint(save(torch.nn.Linear(2, 2), tmp_path / 'module.pth'))
    assert isinstance(found, Foreign)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.pth can not be found'):
        load_checkpoint(tmp_path / 'none.pth')


@pytest.mark.parametrize('damage', [b'', b'not a checkpoint', None])
def test_damaged_file_is_named_with_its_size(tmp_path, damage):
    path = save(dict(weight=torch.randn(100, 100)), tmp_path / 'cut.pth')
    path.write_bytes(path.read_bytes()[:20_000] if damage is None else damage)
    with pytest.raises(ValueError, match=r'cut.pth \([\d,]+ bytes\) is damaged or not'):
        load_checkpoint(path)


CODE = "__import__('os').mkdir('never')"


@pytest.mark.parametrize('kind', [dict, OrderedDict, ConfigDict])
def test_text_that_mmengine_would_run_is_left_out(tmp_path, kind):
    meta = kind(config=CODE, cfg=CODE, epoch=3, dataset_meta=dict(classes=('a',)))
    hub = kind(runtime_info=kind(cfg=CODE, iter=7), log_scalars={})
    found = load_checkpoint(save(dict(meta=meta, message_hub=hub), tmp_path / 'a.pth'))
    assert found['meta'] == dict(epoch=3, dataset_meta=dict(classes=('a',)))
    assert found['message_hub'] == dict(runtime_info=dict(iter=7), log_scalars={})


def test_files_that_are_no_checkpoints_are_not_named_for_removal(tmp_path):
    good = dict(best_ckpt='work/best_miou_epoch_3.pth', keep_ckpt_ids=[1, 2])
    good['last_ckpt'] = 'work/epoch_3.pth'
    bad = dict(best_ckpt='/home/me', best_ckpt_a='../thesis.tex', keep_ckpt_ids=['../../x'])
    for info, left in ((good, {'best_ckpt', 'keep_ckpt_ids', 'last_ckpt'}), (bad, set())):
        hub = dict(message_hub=dict(runtime_info=info))
        found = load_checkpoint(save(hub, tmp_path / 'a.pth'))['message_hub']['runtime_info']
        assert set(found) == left and all(found[key] == info[key] for key in left)


def test_the_name_of_a_config_is_kept(tmp_path):
    names = dict(config='ptv3-mini-m_1xb4-60e', cfg='import os')
    found = load_checkpoint(save(dict(meta=names), tmp_path / 'a.pth'))
    assert found['meta'] == dict(config='ptv3-mini-m_1xb4-60e')


def test_a_history_without_rows_is_refused(tmp_path):
    from mmengine.logging import HistoryBuffer

    history = HistoryBuffer([1.0], [1])
    for wrong in (dict(_log_history=[1.0]), dict(max_length='9'), dict(_log_history=np.ones(3))):
        vars(history).update(HistoryBuffer([1.0], [1]).__dict__ | wrong)
        with pytest.raises(ValueError, match='HistoryBuffer has'):
            load_checkpoint(save(history, tmp_path / 'a.pth'))


def test_a_config_that_unfolds_without_end_is_refused(tmp_path):
    nest = ['x']
    for _ in range(60):
        nest = [nest, nest]
    config = ConfigDict()
    dict.__setitem__(config, 'nest', nest)
    with pytest.raises(ValueError, match='copies more data than it holds'):
        load_checkpoint(save(config, tmp_path / 'a.pth'))


def test_torchscript_is_refused(tmp_path):
    import zipfile

    path = tmp_path / 'script.pt'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('script/constants.pkl', b'')
    with pytest.raises(ValueError, match='TorchScript program; expected one written by'):
        load_checkpoint(path)


def test_encoded_bytes_are_latin1_only(tmp_path):
    raw = b'\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.'
    with pytest.raises(ValueError, match='encoded as latin1'):
        pickle_of(raw, tmp_path)


@pytest.mark.parametrize('name', ['net-{}.pth', 'a_20220301_150306-{}.pth', 'net-{}.safetensors'])
def test_a_digest_in_the_name_is_that_of_the_file(tmp_path, name):
    plain = tmp_path / f'plain{Path(name).suffix}'
    write_weights(plain, dict(a=torch.ones(2)), {})
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    other = ('a' if digest[0] != 'a' else 'b') + digest[1:]
    for length in (8, 12, 64):
        for hexes in (digest[:length], other[:length]):
            path = plain.with_name(name.format(hexes))
            path.write_bytes(plain.read_bytes())
            if hexes.isdecimal() or digest.startswith(hexes):
                assert torch.equal(load_checkpoint(path)['state_dict']['a'], torch.ones(2))
                continue
            with pytest.raises(
                UsageError,
                match=f'{hexes}.* must have the SHA-256 that its name tells, {hexes}, but has '
                f'{digest[:length]}: download it again, or rename it',
            ):
                load_checkpoint(path)


@pytest.mark.parametrize('name', ['net-20220301', 'net-abc', 'net-abcdefgh', 'net_deadbeef', 'x'])
def test_a_name_without_a_digest_is_a_name(tmp_path, name):
    path = save(dict(a=torch.ones(2)), tmp_path / f'{name}.pth')
    assert torch.equal(load_checkpoint(path)['a'], torch.ones(2))
