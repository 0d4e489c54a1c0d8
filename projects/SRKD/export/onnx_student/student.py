"""A network in an ONNX file, from points to classes or boxes.

Shape letters: n points, C columns of a point, L classes.
"""

import json
from pathlib import Path

import numpy as np

from .anchors import boxes_of
from .voxels import hard_pillars, point_pillars

KEY = 'srkd'
"""Under which an ONNX file of this project keeps what a graph cannot say, as JSON."""


class OnnxStudent:
    """Runs a file that ``tools/export.py`` has written.

    Args:
        path: The file.
        threads: Of onnxruntime; 0: as many as there are cores.

    Attributes:
        about: Task, classes, columns of a point and the numbers of pre-processing and decoding.

    Raises:
        ValueError: If the file was written by something else.

    Example::

        student = OnnxStudent('student.onnx')
        answer = student(np.fromfile('scan.bin', np.float32).reshape(-1, 4))
    """

    def __init__(self, path: str | Path, threads: int = 0) -> None:
        import onnxruntime  # here: all else needs numpy alone

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
        found = self.session.get_modelmeta().custom_metadata_map
        if KEY not in found:
            raise ValueError(
                f'{path} must be a file of tools/export.py, with metadata {KEY!r}, but got '
                f'{sorted(found) or "none"}'
            )
        self.about = json.loads(found[KEY])

    def __call__(self, points: np.ndarray) -> dict[str, np.ndarray]:
        """Answer for one scan.

        Args:
            points: (n, C) float32 as the test pipeline gives them.

        Returns:
            ``logits`` (n, L) and ``labels`` (n,) of a segmentor; ``boxes``, ``scores`` and
            ``labels`` of a detector with anchors; the graph's outputs by name of any other.

        Raises:
            ValueError: If the points have another shape.
        """
        inputs, answer = self.prepared(points)
        outputs = self.run(inputs)
        if answer is not None:
            logits = outputs['logits'][answer]
            return dict(logits=logits, labels=logits.argmax(1))
        return boxes_of(outputs, self.about['head']) if self.about.get('head') else outputs

    def prepared(self, points: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
        """Inputs of the graph, and for a segmentor which row answers for each point."""
        columns = self.about['columns']
        if points.ndim != 2 or points.shape[1] != columns:
            raise ValueError(f'points must be (n, {columns}), but got {points.shape}')
        points = np.ascontiguousarray(points, np.float32)
        if self.about['task'] == 'segmentation':
            return point_pillars(points, **self.about['preprocessing'])
        return hard_pillars(points, **self.about['preprocessing']), None

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs of the graph, by name."""
        names = [output.name for output in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, inputs)))
