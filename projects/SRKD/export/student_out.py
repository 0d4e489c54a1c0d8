"""From a config and a checkpoint to ONNX files and a table of what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from torch import nn

from ..analysis.networks import build_network, every_scene, read_plain
from ..base import UsageError, check_writable
from ..base.lock import place_held
from ..base.packages import needed
from ..models.weights import load_strictly
from .about import about
from .answered import answered_by
from .exportable import graph_of
from .graphs import Graph, named_tensors
from .int8 import write_int8
from .measured import Row, output_error, scores_of, table, timed
from .onnx_file import check_free, write_onnx
from .onnx_student import OnnxStudent
from .scans import inputs_of, training_scans

MEASURED = 8
"""Scans of the test set on which outputs are compared and timed."""


def export_student(
    config: str | Path,
    checkpoint: str | Path,
    out: Path,
    calibrate: int | None = None,
    score: bool = False,
    threads: int = 0,
    cfg_options: Mapping | None = None,
) -> str:
    """Write a student's network as ONNX, in float32 and, on request, in 8 bits.

    Args:
        config: Of the student or of its distillation.
        checkpoint: Its weights.
        out: File to write, ``NAME.onnx``; 8 bits go to ``NAME.int8.onnx`` beside it.
        calibrate: Training scans that set the ranges of the 8 bits; None: float32 alone.
        score: Whether the test set is run through torch and each file.
        threads: Of onnxruntime and torch; 0: as many as there are cores.
        cfg_options: Dotted keys that override the config's.

    Returns:
        A table, if 8 bits or scores were asked for, else one line.

    Raises:
        UsageError: If config or checkpoint cannot be used, a file exists or cannot be written, the
            network cannot be exported, or scans are missing; see the functions below.
    """
    files = [out] if calibrate is None else [out, out.with_suffix(f'.int8{out.suffix}')]
    _check_out(files)
    cfg = read_plain(config, dict(cfg_options or {}))
    network = build_network(cfg)
    graph = graph_of(network).eval()
    meta = load_strictly(network, str(checkpoint), 'checkpoint')
    out.parent.mkdir(parents=True, exist_ok=True)
    with place_held(out, 'OUT'):
        write_onnx(graph, out, about(network, graph, class_names(cfg, meta, network)))
        if calibrate is not None:
            scans = (inputs_of(network, graph, batch) for batch in training_scans(cfg, calibrate))
            write_int8(out, files[1], scans)
    if calibrate is None and not score:
        return f'{out}: {out.stat().st_size:,} bytes'
    return table(compared(cfg, network, graph, files, score, threads))


def compared(
    cfg: Config,
    network: nn.Module,
    graph: Graph,
    files: Sequence[Path],
    score: bool = False,
    threads: int = 0,
) -> list[Row]:
    """Measure a network in torch and each of its files, on the scans of the test set.

    Args:
        cfg: See :func:`projects.SRKD.analysis.networks.read_plain`.
        network: In eval mode.
        graph: See :func:`~projects.SRKD.export.exportable.graph_of`.
        files: ONNX files of ``graph``.
        score: Whether all of the test set is scored.
        threads: Of onnxruntime and torch; 0: as many as there are cores.
    """
    needed('onnxruntime')
    torch.set_num_threads(threads or torch.get_num_threads())
    batches = list(islice(every_scene(cfg), MEASURED))
    scans = [inputs_of(network, graph, batch) for batch in batches]
    wanted, ms = timed(lambda scan: in_torch(graph, scan), scans)
    rows = [Row('torch', None, ms, None, scores_of(cfg, network) if score else {})]
    for file in files:
        student = OnnxStudent(file, threads)
        found, ms = timed(student.run, scans)
        scores = {}
        if score:
            with answered_by(network, graph, student.run):
                scores = scores_of(cfg, network)
        error = output_error(found, wanted)
        rows.append(Row(file.name, file.stat().st_size, ms, error, scores))
    return rows


@torch.no_grad()
def in_torch(graph: Graph, scan: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Outputs by name of the graph itself."""
    answer = graph.answer(*(torch.from_numpy(scan[name]) for name in graph.sizes))
    return {name: value.numpy() for name, value in named_tensors(answer)}


def class_names(cfg: Config, meta: Mapping, network: nn.Module) -> list[str]:
    """Classes that the checkpoint was trained on, else the config's, else their numbers."""
    test = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    for place in (meta.get('dataset_meta'), test.get('metainfo'), cfg.get('metainfo')):
        if place and place.get('classes'):
            return [str(name) for name in place['classes']]
    head = getattr(network, 'bbox_head', getattr(network, 'decode_head', None))
    return [str(number) for number in range(getattr(head, 'num_classes', 0))]


def _check_out(files: Sequence[Path]) -> None:
    if files[0].suffix != '.onnx':
        raise UsageError(f'OUT must end in .onnx, but got {files[0]}')
    check_free(*files)
    check_writable(files[0].parent, 'OUT in')
