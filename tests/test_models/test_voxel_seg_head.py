import pytest
import torch
from mmdet3d.models.decode_heads import MinkUNetHead
from mmdet3d.registry import MODELS
from mmdet3d.structures import Det3DDataSample, PointData

CROSS_ENTROPY = dict(type='mmdet.CrossEntropyLoss', avg_non_ignore=True)


def build(**kwargs):
    config = dict(channels=8, num_classes=4, ignore_index=4, loss_decode=CROSS_ENTROPY)
    return MODELS.build(dict(type='VoxelSegHead', **config | kwargs))


def samples(*labels):
    return [
        Det3DDataSample(gt_pts_seg=PointData(voxel_semantic_mask=torch.tensor(label)))
        for label in labels
    ]


def test_parameter_names_are_mmdet3ds():
    plain = MinkUNetHead(8, 4, ignore_index=4, loss_decode=CROSS_ENTROPY)
    assert list(build().state_dict()) == list(plain.state_dict())


def test_both_losses_match_their_definitions():
    logit = torch.randn(5, 4, dtype=torch.float32, requires_grad=True)
    losses = build().loss_by_feat(logit, samples([0, 1, 4], [3, 1]))
    label, kept = torch.tensor([0, 1, 3, 1]), torch.tensor([0, 1, 3, 4])
    torch.testing.assert_close(
        losses['loss_sem_seg'], torch.nn.functional.cross_entropy(logit[kept], label)
    )
    # Lovasz-softmax by its definition: error times the gradient of the Jaccard index (Berman 2018).
    prob, terms = logit[kept].softmax(1), []
    for c in label.unique():
        truth = (label == c).float()
        error, order = (truth - prob[:, c]).abs().sort(descending=True)
        hits = truth[order]
        union = hits.sum() + (1 - hits).cumsum(0)
        jaccard = 1 - (hits.sum() - hits.cumsum(0)) / union
        terms.append((error * torch.diff(jaccard, prepend=torch.zeros(1))).sum())
    torch.testing.assert_close(losses['loss_lovasz'], torch.stack(terms).mean())


@pytest.mark.parametrize('labels', [[[4, 4]], [[4], [4]], [[2]]])
def test_losses_are_finite_and_connected_with_few_or_no_labels(labels):
    logit = torch.randn(sum(map(len, labels)), 4, requires_grad=True)
    losses = build().loss_by_feat(logit, samples(*labels))
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert torch.isfinite(logit.grad).all()


def test_task_losses_are_float32_under_autocast():
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = build().loss_by_feat(torch.randn(2, 4).bfloat16(), samples([0, 1]))
    assert {loss.dtype for loss in losses.values()} == {torch.float32}


def test_without_lovasz_it_is_mmdet3ds_head():
    losses = build(loss_lovasz=None).loss_by_feat(torch.randn(2, 4), samples([0, 1]))
    assert list(losses) == ['loss_sem_seg']
