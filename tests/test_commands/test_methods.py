import pytest
from mmengine.config import Config

from projects.SRKD import configs
from projects.SRKD.base import UsageError
from projects.SRKD.commands.kinds import KINDS
from projects.SRKD.commands.methods import check_method, methods, pair

# As the shipped pairs are written.
SHIPPED = {
    ('srkd', 'mini-pandaset'): 'mini/srkd_ptv3-mini-t_ptv3-mini-s_1xb4-15e_mini-pandaset.py',
    ('pointdistiller', 'mini-nuscenes-boxes'):
        'mini/pointdistiller_centerpoint-mini_centerpoint-mini-4x_1xb4-20e_mini-nuscenes-3d.py',
}  # fmt: skip


@pytest.mark.parametrize('method, like', SHIPPED)
def test_a_pairs_text_is_the_shipped_one(method, like, tmp_path):
    shipped = Config.fromfile(configs(SHIPPED[method, like]))
    teacher = shipped.model.teacher.config
    alone = SHIPPED[method, like].split('/')[0] + '/' + {
        'srkd': 'ptv3-mini-s_1xb4-15e_mini-pandaset.py',
        'pointdistiller': 'centerpoint-mini-4x_1xb4-20e_mini-nuscenes-3d.py',
    }[method]  # fmt: skip
    path = tmp_path / 'distilled.py'
    path.write_text(
        f'_base_ = {[configs(alone), configs(f"_base_/distill/{method}.py")]!r}\n'
        + pair(method, KINDS[like], f'config={teacher!r}')
    )
    cfg = Config.fromfile(path)
    assert cfg.train_dataloader == shipped.train_dataloader
    assert cfg.model.keys() == shipped.model.keys()
    for key in cfg.model.keys() - {'terms'}:
        assert cfg.model[key] == shipped.model[key], key
    assert cfg.model.terms.keys() == shipped.model.terms.keys()


def test_methods_are_those_with_terms_for_the_data():
    rooms, boxes = methods(KINDS['scannet']), methods(KINDS['kitti'])
    assert {'srkd', 'kd'} <= set(rooms) and 'fg' not in rooms
    assert {'pointdistiller', 'fg', 'sparsekd'} <= set(boxes) and 'srkd' not in boxes


def test_a_method_that_is_not_there_names_the_nearest():
    with pytest.raises(UsageError, match=r"--method must be one of .* got 'srdk', nearest: 'srkd'"):
        check_method('srdk', KINDS['scannet'])
    with pytest.raises(UsageError, match='--method must be one of .*pointdistiller.* got'):
        check_method('srkd', KINDS['kitti'])
