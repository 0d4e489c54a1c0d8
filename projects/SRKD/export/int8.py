"""Static quantization of the 2D part: weights by channel, activations by tensor."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from ..base import UsageError, write_whole
from ..base.packages import needed
from .onnx_file import check_free

QUANTIZED = ('Conv', 'ConvTranspose')
"""The 2D backbone, neck and head. Pillars stay float: meters do not fit into 256 steps."""


class _Scans:
    """Inputs as onnxruntime's calibration asks for them."""

    def __init__(self, scans: Iterable[dict[str, np.ndarray]]) -> None:
        self.scans: Iterator[dict[str, np.ndarray]] = iter(scans)
        self.count = 0

    def get_next(self) -> dict[str, np.ndarray] | None:
        scan = next(self.scans, None)
        self.count += scan is not None
        return scan


def write_int8(source: Path, out: Path, scans: Iterable[dict[str, np.ndarray]]) -> int:
    """Quantize an ONNX file to signed 8 bits, as pairs of quantizing and dequantizing nodes.

    The range of an activation is the least and the greatest value of the calibration scans.

    Args:
        source: File of :func:`~projects.SRKD.export.onnx_file.write_onnx`.
        out: File to write; its folder must exist.
        scans: Inputs by name, one scan after the other.

    Returns:
        How many scans there were.

    Raises:
        FileInTheWayError: If the file exists.
        UsageError: If there is no scan.
        PackageMissingError: If onnxruntime is not installed.
    """
    check_free(out)
    needed('onnx')
    needed('onnxruntime')
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    scans = iter(scans)
    first = next(scans, None)
    if first is None:
        raise UsageError('calibration must have at least 1 scan, but got none')
    reader = _Scans(chain([first], scans))
    before = logging.root.level
    logging.root.setLevel(logging.ERROR)  # hints that do not apply
    try:
        with tempfile.TemporaryDirectory() as folder, write_whole(out) as part:
            shaped = Path(folder) / 'shaped.onnx'
            # no optimization: it would store the empty map, which is larger than the network
            quant_pre_process(
                str(source), str(shaped), skip_optimization=True, skip_symbolic_shape=True
            )
            quantize_static(
                str(shaped),
                str(part),
                reader,
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTIZED),
                per_channel=True,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                # what a ReLU is about to cut, and raw maps, would lose half of the steps
                extra_options=dict(OpTypesToExcludeOutputQuantization=list(QUANTIZED)),
            )
            _copy_metadata(source, part)
    finally:
        logging.root.setLevel(before)
    return reader.count


def _copy_metadata(source: Path, target: Path) -> None:
    """Give a file what another says beside its graph."""
    import onnx

    model = onnx.load(target)
    known = {entry.key for entry in model.metadata_props}
    for entry in onnx.load(source).metadata_props:
        if entry.key not in known:
            model.metadata_props.add(key=entry.key, value=entry.value)
    onnx.save(model, target)
