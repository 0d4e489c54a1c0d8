from projects.SRKD.base import nearest_name, nearest_path


def test_the_nearest_name_is_the_one_that_looks_most_alike():
    assert nearest_name('loss_wieght', ['temperature', 'loss_weight', 'reduction']) == 'loss_weight'


def test_nothing_is_nearest_where_nothing_is_valid():
    assert nearest_name('x', []) is None


def test_a_number_as_name_is_compared_as_text():
    assert nearest_name(10, ['100', 'a']) == '100'


def test_the_nearest_path_is_looked_for_in_the_folder_that_exists(tmp_path):
    (tmp_path / 'points').mkdir()
    assert str(tmp_path / 'points') in nearest_path(tmp_path / 'pionts' / '000001.bin')


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    assert nearest_path(tmp_path / 'a.bin') == f'{tmp_path} is empty'
