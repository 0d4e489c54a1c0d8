import pytest
import torch
from mmdet3d.registry import MODELS
from toy import batch

from projects.SRKD.distill import Features, PointMatcher, VoxelView


def voxelize(data: dict, voxel_size: float, max_voxels: int | None = None) -> VoxelView:
    preprocessor = MODELS.build(
        dict(type='VoxelSegDataPreprocessor', voxel_size=voxel_size, max_voxels=max_voxels)
    )
    out = preprocessor.train()(data, True)
    return VoxelView(out['inputs'], out['data_samples'], ignore_index=5)


def loop_match(student: VoxelView, teacher: VoxelView, taught: torch.Tensor) -> dict[int, list]:
    """Teacher rows of the raw points in each student row, point by point."""
    rows: dict[int, list] = {}
    for ours, theirs in zip(student.point_row.tolist(), teacher.point_row.tolist()):
        if ours >= 0 and theirs >= 0:
            rows.setdefault(ours, []).append(taught[theirs].double())
    return rows


def test_equal_voxels_are_matched_by_identity():
    view = voxelize(batch(), 0.2)
    rows = len(view.coors)
    learned, taught = torch.rand(rows, 3, requires_grad=True), torch.rand(rows, 4)
    pair = PointMatcher(view, view)(Features(learned), Features(taught))
    assert pair.student is learned
    assert torch.equal(pair.teacher, taught)
    assert torch.equal(pair.batch, view.coors[:, 0])


@pytest.mark.parametrize('sizes', [(300, 200), (1, 40), (7,)])
@pytest.mark.parametrize('teacher_size', [0.13, 0.4])
def test_a_teacher_of_other_voxels_is_averaged_over_the_raw_points_of_each_row(sizes, teacher_size):
    student, teacher = voxelize(batch(sizes), 0.2), voxelize(batch(sizes), teacher_size)
    learned = torch.rand(len(student.coors), 3)
    taught = torch.rand(len(teacher.coors), 4)
    pair = PointMatcher(student, teacher)(Features(learned), Features(taught))
    expected = loop_match(student, teacher, taught)
    assert len(pair.student) == len(expected) == len(learned)
    for row, values in expected.items():
        torch.testing.assert_close(pair.teacher[row].double(), torch.stack(values).mean(0))


def test_rows_without_a_teacher_row_are_left_out_and_counted():
    student, teacher = voxelize(batch(), 0.2), voxelize(batch(), 0.1, max_voxels=60)
    learned, taught = torch.rand(len(student.coors), 3), torch.rand(len(teacher.coors), 4)
    matcher = PointMatcher(student, teacher)
    pair = matcher(Features(learned), Features(taught))
    expected = loop_match(student, teacher, taught)
    assert 0 < len(expected) < len(learned)
    assert matcher.left_out == len(learned) - len(expected)
    for slot, row in enumerate(sorted(expected)):
        assert torch.equal(pair.student[slot], learned[row])
        torch.testing.assert_close(pair.teacher[slot].double(), torch.stack(expected[row]).mean(0))


@pytest.mark.parametrize('teacher_size', [0.1, 0.15])
def test_coarse_stages_are_matched_by_place_whatever_their_row_order(teacher_size):
    data = batch((400, 150))
    student = voxelize(data, 0.1)
    teacher = student if teacher_size == 0.1 else voxelize(data, teacher_size)

    def stage(view: VoxelView, seed: int) -> Features:
        coors = torch.unique(torch.cat([view.coors[:, :1], view.coors[:, 1:] >> 1], 1), dim=0)
        coors = coors[torch.randperm(len(coors), generator=torch.Generator().manual_seed(seed))]
        return Features(coors.double().clone(), coors, stage=1)  # features say where they are

    learned, taught = stage(student, 1), stage(teacher, 2)
    pair = PointMatcher(student, teacher)(learned, taught)
    assert pair.stage == 1
    if teacher is student:
        assert torch.equal(pair.student, pair.teacher)
    else:
        for row in range(0, len(pair.student), 7):
            ours = (student.coors[student.point_row] // torch.tensor([1, 2, 2, 2])).double()
            inside = (ours == pair.student[row]).all(1)
            theirs = teacher.coors[teacher.point_row][inside] // torch.tensor([1, 2, 2, 2])
            torch.testing.assert_close(pair.teacher[row], theirs.double().mean(0))


def test_coordinates_are_the_mean_of_the_raw_points():
    view = voxelize(batch((50,)), 0.5)
    feat = torch.rand(len(view.coors), 2)
    pair = PointMatcher(view, view)(Features(feat), Features(feat))
    for row in range(len(feat)):
        torch.testing.assert_close(pair.coord[row], view.point_coord[view.point_row == row].mean(0))


def test_labels_are_the_voxels_and_minus_one_where_ignored():
    view = voxelize(batch(), 0.2)
    feat = torch.rand(len(view.coors), 2)
    pair = PointMatcher(view, view)(Features(feat), Features(feat))
    raw = torch.cat([sample.gt_pts_seg.voxel_semantic_mask for sample in view.samples])
    assert (raw == 5).any()
    assert torch.equal(pair.label, torch.where(raw == 5, -1, raw))


def test_a_coarse_row_has_the_most_frequent_label_of_its_voxels():
    view = voxelize(batch(), 0.1)
    coors = torch.unique(torch.cat([view.coors[:, :1], view.coors[:, 1:] >> 2], 1), dim=0)
    features = Features(torch.rand(len(coors), 2), coors, stage=2)
    pair = PointMatcher(view, view)(features, features)
    for row, coor in enumerate(coors):
        inside = (torch.cat([view.coors[:, :1], view.coors[:, 1:] >> 2], 1) == coor).all(1)
        votes = view.label[inside & (view.label >= 0)]
        if len(votes) == 0:
            assert pair.label[row] == -1
        else:
            counts = torch.bincount(votes)
            assert counts[pair.label[row]] == counts.max()


def test_the_gradient_reaches_the_student_alone():
    student, teacher = voxelize(batch(), 0.2), voxelize(batch(), 0.15)
    learned = torch.rand(len(student.coors), 3, requires_grad=True)
    taught = torch.rand(len(teacher.coors), 3, requires_grad=True)
    pair = PointMatcher(student, teacher)(Features(learned), Features(taught))
    (pair.student * pair.teacher).sum().backward()
    assert learned.grad is not None
    assert taught.grad is None


def test_a_tap_with_other_rows_than_the_voxels_is_refused():
    view = voxelize(batch(), 0.2)
    with pytest.raises(ValueError, match='has 3 rows where the network has'):
        PointMatcher(view, view)(Features(torch.rand(3, 2)), Features(torch.rand(3, 2)))
