"""PointDistiller's presets, with N and K of a toy; the method as a loop, and from built edges."""

import math

import torch

from projects.SRKD.losses.pointdistiller.local_graph import edge_features

# As papers and release take them, save the paper's temperature: 0.01 would leave one anchor of six.
RAW = dict(guard='none', loss_weight=2.0)


def softmax(temperature=0.1, scale='none', kind='SoftmaxWeights'):
    return dict(type=kind, temperature=temperature, scale=scale)


PRESETS = {
    'paper, voxels': dict(count=True, weights=softmax(0.5), **RAW),
    'paper, points': dict(weights=softmax(0.5, kind='GraphWeights'), **RAW),
    'released, pillars': dict(count=True, across_samples=True, weights=softmax(0.01), **RAW),
    'released, maps': dict(weights=dict(type='InertWeights'), **RAW),
    'released, points': dict(weights=None, **RAW),
    'fixed': dict(),
    'fixed, minmax counts': dict(count=True),
    'fixed, counts': dict(count=True, weights=softmax(1.0, 'log1p')),
    'both trained, normalized': dict(guard='normalized', edge='sub'),
    'no graphs': dict(graph_channels=None),
    'no graphs, differences': dict(graph_channels=None, edge='sub', loss_weight=0.5),
}
DEFAULTS = dict(
    count=False, graph_channels=5, weights=softmax(scale='minmax'), edge='concat',
    across_samples=False, guard='frozen', loss_weight=1.0,
)  # fmt: skip


def reference(loss, name, student, teacher, batch, count, num_anchors=6, num_neighbors=4):
    """The method step by step, one number at a time, in float64."""
    options = {**DEFAULTS, **PRESETS[name]}
    ids = sorted({b for b in batch.tolist() if b >= 0})
    samples = [[i for i, b in enumerate(batch.tolist()) if b == own] for own in ids]
    if options['across_samples']:
        samples = [sorted(sum(samples, []))]
    score = [float(max(row)) for row in teacher]
    if options['count']:
        score = count.double().tolist()
    graph = []  # (sample, anchor, its neighbors)
    for b, rows in enumerate(samples):
        for anchor in sorted(rows, key=lambda r: -score[r])[:num_anchors]:
            apart = {r: float(((teacher[r] - teacher[anchor]) ** 2).sum()) for r in rows}
            graph.append((b, anchor, sorted(rows, key=apart.get)[:num_neighbors]))
    mapped = []
    for role, feat in (('student', student), ('teacher', teacher)):
        edges = []
        for _, anchor, around in graph:
            for r in around:
                first = feat[r] if options['edge'] == 'concat' else feat[anchor] - feat[r]
                edges.append(torch.cat([first, feat[anchor]]))
        edges = torch.stack(edges)
        if options['graph_channels']:
            layer = loss.graphs[role]
            edges = torch.stack([layer.conv.weight @ edge for edge in edges])
            mean = sum(edges) / len(edges)
            variance = sum((edge - mean) ** 2 for edge in edges) / len(edges)
            edges = (edges - mean) / (variance + 1e-5).sqrt()
            if layer.scale is not None:
                edges = edges * layer.scale + layer.shift
            if options['guard'] != 'normalized':
                edges = edges.clamp(min=0)
        mapped.append(edges)
    gap, peak, at = [], [], 0
    for _, _, around in graph:
        own, taught = (edges[at : at + len(around)] for edges in mapped)
        gap.append(((own - taught) ** 2).mean())
        peak.append(float(taught.max()))
        at += len(around)
    total = 0
    for b in range(len(samples)):
        members = [q for q, (own, _, _) in enumerate(graph) if own == b]
        for q, weight in zip(members, weights(options, members, graph, score, peak, len(ids))):
            total = total + weight * gap[q]
    return options['loss_weight'] * total / len(graph)


def weights(options, members, graph, score, peak, num_samples):
    named = options['weights'] or {}
    if 'temperature' not in named:
        return [num_samples if named else 1] * len(members)
    own = [peak[q] if named['type'] == 'GraphWeights' else score[graph[q][1]] for q in members]
    low, high = min(own), max(own)
    if named['scale'] == 'minmax':
        own = [(s - low) / ((high - low) or 1) for s in own]
    elif named['scale'] == 'log1p':
        own = [math.log1p(s) for s in own]
    powers = [math.exp((s - max(own)) / named['temperature']) for s in own]
    return [len(own) * power / sum(powers) for power in powers]


def with_every_edge(loss, student, teacher, batch):
    """The loss of LocalGraphLoss from edges (E, 2C) that are built, by autograd.

    Neighbors and weights are the loss's own: the loop above is their reference.
    """
    neighbors = loss._neighbors(teacher, batch, teacher.amax(dim=1))
    sizes = [rows.numel() for rows in neighbors]

    def per_sample(value):
        return [part.view_as(rows) for part, rows in zip(value.split(sizes), neighbors)]

    own, taught = (
        loss.graphs[role](
            torch.cat([edge_features(feat, rows, loss.edge).flatten(0, 1) for rows in neighbors])
        )
        for role, feat in (('student', student), ('teacher', teacher))
    )
    gap = torch.cat([part.mean(dim=1) for part in per_sample((own - taught).square().mean(dim=1))])
    weight = torch.ones_like(gap)
    if loss.weights is not None:
        scores = [teacher.amax(dim=1)[rows[:, 0]] for rows in neighbors]
        weight = loss.weights(scores, len(batch[batch >= 0].unique()))
        if callable(weight):
            peaks = [part.amax(dim=1) for part in per_sample(taught.detach().amax(dim=1))]
            weight = weight(torch.cat(peaks))
    return loss.loss_weight * (gap * weight).mean()
