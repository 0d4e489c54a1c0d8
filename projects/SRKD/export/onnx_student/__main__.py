"""Answer for scans: ``python -m onnx_student STUDENT.onnx SCAN.bin [...]``."""

import argparse
import time
from pathlib import Path

import numpy as np

from .student import OnnxStudent


def main() -> None:
    """Read the command line, answer scan by scan."""
    parser = argparse.ArgumentParser(prog='onnx_student', description=__doc__.splitlines()[0])
    parser.add_argument('student', type=Path, help='ONNX file of tools/export.py')
    parser.add_argument('scans', type=Path, nargs='+', help='float32 points, row by row')
    parser.add_argument(
        '--columns', type=int, help="numbers of a point in the files (default: the student's)"
    )
    parser.add_argument('--threads', type=int, default=0, help='of onnxruntime (default: all)')
    parser.add_argument('--out', type=Path, help='folder for an .npz file of each scan')
    args = parser.parse_args()
    student = OnnxStudent(args.student, args.threads)
    wanted = student.about['columns']
    for scan in args.scans:
        points = np.fromfile(scan, np.float32).reshape(-1, args.columns or wanted)[:, :wanted]
        began = time.perf_counter()
        answer = student(points)
        taken = 1e3 * (time.perf_counter() - began)
        print(f'{scan}: {len(points):,} points, {taken:.0f} ms; {told(answer, student.about)}')
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
            np.savez(args.out / f'{scan.stem}.npz', **answer)


def told(answer: dict[str, np.ndarray], about: dict) -> str:
    """Counts by class, of points or boxes."""
    if 'labels' not in answer:
        return ', '.join(f'{name} {value.shape}' for name, value in answer.items())
    counts = np.bincount(answer['labels'], minlength=len(about['classes']))
    return ', '.join(f'{name} {count}' for name, count in zip(about['classes'], counts) if count)


if __name__ == '__main__':
    main()
