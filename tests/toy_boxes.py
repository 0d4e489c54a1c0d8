"""Objects on small bird's eye view maps, and plain loops over them."""

import cmath
import math

import torch

CELL = (0.8, 0.5)
CORNER = (-2.0, 1.0)


def scene(counts, widths, num_classes=3, height=5, width=6, seed=0, dtype=torch.float64):
    """Fields of a detection term on shuffled cells.

    Args:
        counts: Objects of every sample; some lie outside the map, some between cell centers.
        widths: Channels of student and teacher.
    """
    gen = torch.Generator().manual_seed(seed)
    cells = torch.cartesian_prod(
        torch.arange(len(counts)), torch.arange(height), torch.arange(width)
    )  # (M, 3) sample, y, x
    cells = cells[torch.randperm(len(cells), generator=gen)].view(-1, 3)
    corner, cell = torch.tensor(CORNER), torch.tensor(CELL)
    xy = (cells[:, [2, 1]] + 0.5) * cell + corner
    boxes, classes = [], []
    for count in counts:
        box = torch.rand(count, 7, generator=gen)
        box[:, :2] = box[:, :2] * (torch.tensor([width, height]) * cell + 1) + corner - 0.5
        box[:, 3:6] = box[:, 3:6].square() * 3 + 0.05
        box[:, 6] = box[:, 6] * 9
        boxes.append(box)
        classes.append(torch.randint(-1, num_classes, (count,), generator=gen))
    student, teacher = (
        (torch.randn(len(cells), c, generator=gen, dtype=torch.float64) * 2).to(dtype)
        for c in widths
    )
    return dict(
        student=student.requires_grad_(),
        teacher=teacher,
        coord=torch.nn.functional.pad(xy, (0, 1)),
        batch=cells[:, 0],
        boxes=boxes,
        classes=classes,
        cell_size=CELL,
    )


def objects(fields, wanted):
    """Sample and numbers of every object of the classes wanted, in order."""
    for sample, (box, ids) in enumerate(zip(fields['boxes'], fields['classes'])):
        for numbers, kind in zip(box.tolist(), ids.tolist()):
            if kind in wanted:
                yield sample, numbers


def first_box(fields, row, wanted=range(99), margin=0.0):
    """Number of the first object around a row, None for background."""
    sample, (x, y, _) = fields['batch'][row].item(), fields['coord'][row].tolist()
    for number, (owner, box) in enumerate(objects(fields, wanted)):
        turned = complex(x - box[0], y - box[1]) * cmath.exp(-1j * box[6])
        near = abs(turned.real) < box[3] / 2 + margin and abs(turned.imag) < box[4] / 2 + margin
        if owner == sample and near:
            return number
    return None


def center_rows(fields, wanted=range(99)):
    """Row under the center of every object whose center lies on the map."""
    column, line = ((fields['coord'][:, :2] - torch.tensor(CORNER)) // torch.tensor(CELL)).int().T
    cells = list(zip(fields['batch'].tolist(), column.tolist(), line.tolist()))
    found = []
    for owner, box in objects(fields, wanted):
        # Towards zero, as mmdet3d does: half a cell below the map is on it.
        at = [int((box[axis] - CORNER[axis]) / CELL[axis]) for axis in (0, 1)]
        if (owner, *at) in cells:
            found.append(cells.index((owner, *at)))
    return found


def sigmoid(value):
    """Probability of a 0-d logit, kept off 0 and 1."""
    return (1 / (1 + torch.exp(-value))).clamp(1e-4, 1 - 1e-4)


def check_against_loop(value, expected, student):
    """Assert equal values and gradients with respect to the student."""
    torch.testing.assert_close(value, expected)
    gradients = [torch.autograd.grad(each, student)[0] for each in (value, expected)]
    torch.testing.assert_close(*gradients)
    assert math.isfinite(value.item())
