"""The trial of a project is also run by test_new_project; here: what it must not pass."""

import pytest
from toy import write_scannet

from projects.SRKD import configs
from projects.SRKD.base import UsageError
from projects.SRKD.commands.checking import try_project

PAIR = 'mini/srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'


def project(folder, wrong):
    write_scannet(folder / 'rooms')
    for name in ('alone', 'distilled'):
        base = PAIR if name == 'distilled' else 'mini/ptv3-mini-s_1xb4-15e_mini-scannet-seg.py'
        loaders = ''.join(
            f"{split}_dataloader = dict(dataset=dict(data_root='{folder}/rooms'))\n"
            for split in ('train', 'val', 'test')
        )
        (folder / f'{name}.py').write_text(f'_base_ = {configs(base)!r}\n{loaders}{wrong}')
    return folder


@pytest.mark.parametrize(
    'wrong, said',
    [
        ("train_dataloder = dict()\n", 'train_dataloder: no part of a run reads this key'),
        ("model = dict(head=3)\n", "has no argument 'head'"),
        ("train_dataloader['batch_size'] = 40\n", 'batch'),
    ],
)  # fmt: skip
def test_a_config_that_no_run_would_take_is_refused(tmp_path, wrong, said):
    with pytest.raises(UsageError, match=said):
        try_project(project(tmp_path, wrong))
