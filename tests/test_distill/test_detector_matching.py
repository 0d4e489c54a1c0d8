import pytest
import torch
from mmdet3d.structures import Det3DDataSample, LiDARInstance3DBoxes
from mmengine.structures import InstanceData

from projects.SRKD.distill import DetectionGrid, DetectorMatcher, DetectorView, read_features

GRID = DetectionGrid((0.0, -2.0, -3.0, 8.0, 2.0, 1.0), (0.5, 0.5, 4.0))  # 1 x 8 x 16 voxels


def view(grid=GRID, points=(5, 4), voxels=None, truths=None):
    clouds = [torch.rand(size, 4) for size in points]
    samples = [Det3DDataSample() for _ in points]
    for sample, truth in zip(samples, truths or []):
        sample.gt_instances_3d = truth
    return DetectorView(dict(points=clouds, voxels=voxels), samples, grid)


def plane(grid, height, width, samples=2):
    """Maps whose value at a cell is 3 x + 2 y + 10 b of its center."""
    x0, y0, _, x1, y1, _ = grid.point_cloud_range
    x = x0 + (torch.arange(width) + 0.5) * (x1 - x0) / width
    y = y0 + (torch.arange(height) + 0.5) * (y1 - y0) / height
    value = 3 * x[None, :] + 2 * y[:, None]
    return torch.stack([value + 10 * b for b in range(samples)])[:, None]


def test_cells_of_equal_maps_are_paired_in_place_and_know_where_they_are():
    maps = torch.randn(2, 3, 4, 8)
    seen, shared = read_features(maps), view()
    pair = DetectorMatcher(shared, shared)(seen, read_features(2 * maps))
    for b, y, x in ((0, 0, 0), (1, 2, 5)):
        row = (b * 4 + y) * 8 + x
        assert torch.equal(pair.student[row], maps[b, :, y, x])
        assert torch.equal(pair.teacher[row], 2 * maps[b, :, y, x])
        assert pair.coord[row].tolist() == [x + 0.5, y - 1.5, 0.0]
        assert pair.batch[row] == b
    assert pair.cell_size == (1.0, 1.0) and pair.count is None


@pytest.mark.parametrize('height, width', [(8, 16), (4, 8), (3, 5)])
def test_another_resolution_is_interpolated_at_the_centers_of_the_students_cells(height, width):
    own, theirs = plane(GRID, 4, 8), plane(GRID, height, width)
    shared = view()
    pair = DetectorMatcher(shared, shared)(read_features(own), read_features(theirs))
    x0, y0 = 8 / width / 2, 4 / height / 2  # border cells have no neighbor outside
    inner = (pair.coord[:, 0] >= x0) & (pair.coord[:, 0] <= 8 - x0)
    inner &= pair.coord[:, 1].abs() <= 2 - y0
    assert inner.sum() > 10
    torch.testing.assert_close(pair.teacher[inner], pair.student[inner])


def test_cells_outside_the_teachers_range_are_left_out_and_counted():
    wide = DetectionGrid((2.0, -2.0, -3.0, 10.0, 2.0, 1.0), (0.5, 0.5, 4.0))
    matcher = DetectorMatcher(view(), view(wide))
    pair = matcher(read_features(plane(GRID, 4, 8)), read_features(plane(wide, 4, 8)))
    assert matcher.left_out == 2 * 4 * 2 and len(pair.student) == 2 * 4 * 6
    assert pair.coord[:, 0].min() == 2.5
    torch.testing.assert_close(pair.teacher, pair.student)


def voxels(coors):
    coors = torch.tensor(coors)
    return dict(coors=coors, num_points=torch.arange(1, len(coors) + 1))


def test_voxels_are_paired_by_their_place_and_rows_without_a_partner_left_out():
    own = voxels([[0, 0, 1, 2], [0, 0, 7, 15], [1, 0, 1, 2], [1, 0, 3, 3]])
    theirs = voxels([[1, 0, 1, 2], [0, 0, 1, 2], [1, 0, 3, 3]])
    matcher = DetectorMatcher(view(voxels=own), view(voxels=theirs))
    pair = matcher(
        read_features(torch.arange(4.0)[:, None]), read_features(torch.tensor([[20.0], [0], [30]]))
    )
    assert pair.student.flatten().tolist() == [0, 2, 3]
    assert pair.teacher.flatten().tolist() == [0, 20, 30]
    assert pair.batch.tolist() == [0, 1, 1] and pair.count.tolist() == [1, 3, 4]
    assert pair.coord[0].tolist() == [1.25, -1.25, -1.0]
    assert matcher.left_out == 1


def test_points_of_equal_clouds_are_paired_in_place():
    shared = view(points=(6, 6), grid=None)
    feat = torch.randn(2, 3, 6)  # (B, C, n)
    pair = DetectorMatcher(shared, shared)(read_features(feat), read_features(feat + 1))
    assert torch.equal(pair.student[7], feat[1, :, 1]) and pair.batch.tolist() == [0] * 6 + [1] * 6
    assert torch.equal(pair.coord[7], shared.points[1][1, :3])


def test_boxes_are_given_by_their_gravity_center():
    bottom = torch.tensor([[1.0, 0.5, -1.5, 4.0, 2.0, 1.6, 0.3]])
    truth = InstanceData(bboxes_3d=LiDARInstance3DBoxes(bottom), labels_3d=torch.tensor([1]))
    empty = InstanceData(
        bboxes_3d=LiDARInstance3DBoxes(torch.zeros(0, 7)), labels_3d=torch.zeros(0).long()
    )
    shared = view(truths=[truth, empty])
    maps = read_features(torch.zeros(2, 1, 4, 8))
    pair = DetectorMatcher(shared, shared)(maps, maps)
    torch.testing.assert_close(pair.boxes[0], bottom + torch.tensor([0, 0, 0.8, 0, 0, 0, 0]))
    assert pair.boxes[1].shape == (0, 7) and [len(c) for c in pair.classes] == [1, 0]


def test_different_grids_and_kinds_are_refused():
    other = DetectionGrid(GRID.point_cloud_range, (0.25, 0.5, 4.0))
    sparse = read_features(torch.zeros(1, 2))
    coors = voxels([[0, 0, 1, 2]])
    with pytest.raises(ValueError, match='voxels can be compared on one grid only'):
        DetectorMatcher(view(voxels=coors), view(other, voxels=coors))(sparse, sparse)
    shared = view(voxels=coors)
    with pytest.raises(ValueError, match='compares voxels of the student with cells of a map'):
        DetectorMatcher(shared, shared)(sparse, read_features(torch.zeros(2, 1, 4, 8)))
    with pytest.raises(ValueError, match='has 2 rows where the network has 1 voxels'):
        wrong = read_features(torch.zeros(2, 2))
        DetectorMatcher(shared, shared)(wrong, wrong)
    with pytest.raises(ValueError, match='does not say where they lie'):
        bare = view(grid=None)
        maps = read_features(torch.zeros(2, 1, 4, 8))
        DetectorMatcher(bare, bare)(maps, maps)
