"""Loops in float64 that the logit terms are compared with, point by point and class by class."""

import math

import torch


def make(rows, classes=5, seed=0, spread=1.0):
    """Logits of student, with gradient, and teacher, and labels, -1 where there is none."""
    gen = torch.Generator().manual_seed(seed)
    student = torch.randn(rows, classes, generator=gen, dtype=torch.float64)
    teacher = torch.randn(rows, classes, generator=gen, dtype=torch.float64) * spread
    label = torch.randint(-1, classes, (rows,), generator=gen)
    return student.requires_grad_(), teacher, label


def log_softmax(row, temperature=1.0):
    """Logarithms of a point's class probabilities, a list."""
    scaled = [value / temperature for value in row]
    total = sum(torch.exp(value) for value in scaled)
    return [value - torch.log(total) for value in scaled]


def divergence(teacher, student, temperature=1.0):
    """KL(teacher || student) of one point's logits."""
    pairs = zip(log_softmax(teacher, temperature), log_softmax(student, temperature))
    return sum(torch.exp(p) * (p - q) for p, q in pairs)


def class_of(row):
    """The teacher's class and its probability."""
    best = max(range(len(row)), key=lambda c: float(row[c]))
    return best, math.exp(float(log_softmax(row)[best]))


def compare(value, expected, student):
    """Value and gradient are the same."""
    torch.testing.assert_close(value, expected)
    both = [torch.autograd.grad(each, student)[0] for each in (value, expected)]
    torch.testing.assert_close(*both)
