"""PointDistiller's presets, with N and K of a toy; the method as a loop, and from built edges."""

import math

import torch

from projects.SRKD.losses.pointdistiller.local_graph import edge_features

# As papers and release take them, save the paper's temperature: 0.01 would leave one anchor of six.
RAW = dict(scale='none', guard='none', loss_weight=2.0)
PRESETS = {
    'paper, voxels': dict(count=True, temperature=0.5, **RAW),
    'paper, points': dict(reweighting='graph', temperature=0.5, **RAW),
    'released, pillars': dict(count=True, across_samples=True, temperature=0.01, **RAW),
    'released, maps': dict(reweighting='inert', temperature=1e-4, **RAW),
    'released, points': dict(reweighting='none', temperature=1e-3, **RAW),
    'fixed': dict(),
    'fixed, minmax counts': dict(count=True),
    'fixed, counts': dict(count=True, scale='log1p', temperature=1.0),
    'both trained, normalized': dict(guard='normalized', edge='sub'),
    'no graphs': dict(graph_channels=None),
    'no graphs, differences': dict(graph_channels=None, edge='sub', loss_weight=0.5),
}
DEFAULTS = dict(
    count=False, graph_channels=5, reweighting='softmax', temperature=0.1, scale='minmax',
    edge='concat', across_samples=False, guard='frozen', loss_weight=1.0,
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
    if options['reweighting'] in ('inert', 'none'):
        return [num_samples if options['reweighting'] == 'inert' else 1] * len(members)
    own = [peak[q] if options['reweighting'] == 'graph' else score[graph[q][1]] for q in members]
    low, high = min(own), max(own)
    if options['scale'] == 'minmax':
        own = [(s - low) / ((high - low) or 1) for s in own]
    elif options['scale'] == 'log1p':
        own = [math.log1p(s) for s in own]
    powers = [math.exp((s - max(own)) / options['temperature']) for s in own]
    return [len(own) * power / sum(powers) for power in powers]


def with_every_edge(loss, student, teacher, batch):
    """The loss of LocalGraphLoss from edges (E, 2C) that are built, by autograd.

    Neighbors and weights are taken from the loss: the loop above is their reference.
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
    if loss.reweighting == 'graph':
        scores = [part.amax(dim=1) for part in per_sample(taught.detach().amax(dim=1))]
    else:
        scores = [teacher.amax(dim=1)[rows[:, 0]] for rows in neighbors]
    weight = loss._weight(scores, len(batch[batch >= 0].unique()))
    return loss.loss_weight * (gap * weight).mean()
