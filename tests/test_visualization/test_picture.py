import matplotlib.image
import numpy as np
import pytest

from projects.SRKD.visualization.colors import WRONG
from projects.SRKD.visualization.picture import draw_scene, scene_figure, scene_miou

PALETTE = [[10, 200, 30], [20, 40, 250], [250, 240, 0]]
CLASSES = ['floor', 'chair', 'lamp']
BLACK = (0, 0, 0)


def loop_miou(truth, prediction, num_classes):
    scores = []
    for c in range(num_classes):
        hit = union = 0
        for t, p in zip(truth, prediction):
            if not 0 <= t < num_classes:
                continue
            hit += t == c and p == c
            union += t == c or p == c
        if union:
            scores.append(hit / union)
    return sum(scores) / len(scores)


def test_scene_miou_equals_the_loop():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 7, 500), rng.integers(0, 5, 500)
    assert scene_miou(truth, prediction, 6) == pytest.approx(loop_miou(truth, prediction, 6))


def test_scene_without_labels_has_no_score():
    assert np.isnan(scene_miou(np.full(4, 20), np.zeros(4, int), 20))


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    floor = np.c_[rng.uniform(0, 4, (4000, 2)), np.zeros(4000)]
    chair = np.c_[rng.uniform(1, 2, (800, 2)), np.full(800, 0.5)]
    ceiling = np.c_[rng.uniform(0, 4, (3000, 2)), np.full(3000, 2.5)]
    return np.r_[floor, chair, ceiling], np.r_[np.zeros(4000, int), np.ones(800, int), [9] * 3000]


def amount(picture, color):
    """Share of the pixels that have a color."""
    return (np.abs(picture[..., :3] - np.divide(color, 255)) < 0.02).all(-1).mean()


def test_picture_has_class_colors_and_black_where_a_network_errs(tmp_path, scene):
    points, truth = scene
    right = np.where(truth == 9, 0, truth)
    draw_scene(points, truth, {'net': right}, CLASSES, PALETTE, tmp_path / 'a.png', ceiling=2.0)
    draw_scene(
        points,
        truth,
        {'net': np.zeros_like(truth)},
        CLASSES,
        PALETTE,
        tmp_path / 'b.png',
        ceiling=2.0,
    )
    perfect, poor = (matplotlib.image.imread(tmp_path / name) for name in ('a.png', 'b.png'))
    assert amount(perfect, PALETTE[1]) > amount(poor, PALETTE[1]) > 0.005
    assert amount(poor, BLACK) > amount(perfect, BLACK) + 0.005
    assert amount(poor, PALETTE[2]) == 0


def test_ceiling_hides_the_room_unless_left_out(tmp_path, scene):
    points, truth = scene
    prediction = np.where(truth == 9, 2, truth)
    shares = []
    for ceiling in (None, 2.0):
        path = tmp_path / f'{ceiling}.png'
        draw_scene(points, truth, {'net': prediction}, CLASSES, PALETTE, path, ceiling=ceiling)
        shares.append(amount(matplotlib.image.imread(path), PALETTE[2]))
    assert shares[0] > 0.02 and shares[1] < 0.002


def test_label_of_another_length_is_refused(tmp_path, scene):
    points, truth = scene
    with pytest.raises(ValueError, match='net has 3 labels for 7800 points'):
        draw_scene(points, truth, {'net': truth[:3]}, CLASSES, PALETTE, tmp_path / 'a.png')


def test_no_class_of_a_shipped_data_set_looks_wrong():
    from mmdet3d.datasets import ScanNetSegDataset, SemanticKittiDataset

    from projects.SRKD.datasets import LabelMapSegDataset, NuScenesLidarSegDataset

    maker = LabelMapSegDataset.__new__(LabelMapSegDataset)  # PandaSet's and ScanNet200's colors
    palettes = [
        ScanNetSegDataset.METAINFO['palette'],
        SemanticKittiDataset.METAINFO['palette'],
        NuScenesLidarSegDataset.METAINFO['palette'],
        maker._update_palette([str(i) for i in range(200)], None),
    ]
    for palette in palettes:
        apart = np.linalg.norm(np.array(palette) - 255 * np.array(WRONG), axis=1)
        assert apart.min() > 60


def test_a_scene_without_truth_shows_the_prediction_alone(tmp_path, scene):
    points, truth = scene
    prediction = np.where(truth == 9, 0, truth)
    draw_scene(points, None, {'net': prediction}, CLASSES, PALETTE, tmp_path / 'a.png')
    draw_scene(points, prediction, {}, CLASSES, PALETTE, tmp_path / 'b.png')
    for name in 'ab':
        assert amount(matplotlib.image.imread(tmp_path / f'{name}.png'), PALETTE[1]) > 0.005


def test_a_far_point_does_not_shrink_the_scene(tmp_path, scene):
    points, truth = scene
    draw_scene(points, truth, {'net': truth}, CLASSES, PALETTE, tmp_path / 'a.png', ceiling=2.0)
    points[0, :2] = 1e5
    draw_scene(points, truth, {'net': truth}, CLASSES, PALETTE, tmp_path / 'b.png', ceiling=2.0)
    near, far = (
        amount(matplotlib.image.imread(tmp_path / f'{name}.png'), PALETTE[0]) for name in 'ab'
    )
    assert far > 0.8 * near > 0


def test_the_legend_names_what_is_there_alone(scene):
    points, truth = scene
    labeled = truth != 9
    for kept, prediction, words in (
        (labeled, truth, ['floor', 'chair', 'right']),
        (labeled, np.zeros_like(truth), ['floor', 'chair', 'right', 'wrong']),
        (truth < 99, np.where(labeled, truth, 0), ['floor', 'chair', 'no label', 'right']),
    ):
        figure = scene_figure(
            points[kept], truth[kept], {'net': prediction[kept]}, CLASSES, PALETTE
        )
        legend = figure.axes[2].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == words
