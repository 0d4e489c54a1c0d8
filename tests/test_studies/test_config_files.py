from projects.SRKD.base.provenance import ROOT, digest
from studies.config_files import config_content, replaced_root


def test_data_root_is_replaced_wherever_it_begins_a_path():
    content = dict(
        dataset=dict(data_root='data/x/', scene_idxs='data/x/idx.npy', ann_file='info.pkl'),
        evaluators=[dict(path='data/xy'), dict(path='data/x')],
        n=3,
    )
    assert replaced_root(content, 'data/x/', '/y', 'test') == {
        'test.dataset.data_root': '/y/',
        'test.dataset.scene_idxs': '/y/idx.npy',
        'test.evaluators.1.path': '/y',
    }


def test_key_follows_the_bases_of_a_config(tmp_path):
    (tmp_path / 'base.py').write_text('lr = 1\n')
    leaf = tmp_path / 'leaf.py'
    leaf.write_text('_base_ = "./base.py"\ncustom_imports = dict(imports=["no.such.module"])\n')
    before = digest(config_content(leaf))
    assert digest(config_content(leaf)) == before
    (tmp_path / 'base.py').write_text('lr = 2\n')
    assert digest(config_content(leaf)) != before


def test_the_arms_of_all_labels_have_the_weights_of_the_presets_for_few():
    for arm in ('kd', 'srkd'):
        preset = config_content(ROOT / f'configs/_base_/distill/{arm}_few_labels.py')['distill']
        terms = config_content(ROOT / f'studies/configs/all-labels_{arm}.py')['model']['terms']
        assert terms.keys() == preset['terms'].keys()
        for name, term in preset['terms'].items():
            assert terms[name]['loss']['loss_weight'] == term['loss']['loss_weight']
        assert terms['kd']['loss'] == preset['terms']['kd']['loss']
