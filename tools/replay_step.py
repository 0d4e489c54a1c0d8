"""Repeat a step that was not finite: ``python tools/replay_step.py WORK_DIR/non_finite_iterN``.

Forward pass, losses and gradients, to the bit; the teacher is not run, and no data is read. The
config in the folder is built as that of a run is: replay folders of people whose configs you would
run.
"""

import argparse
import sys


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Repeat a step that was not finite')
    parser.add_argument('folder', help='non_finite_iterN of a work dir')
    parser.add_argument(
        '--rank', type=int, help='process whose step is repeated (default: the first that kept one)'
    )
    return parser.parse_args()


def main() -> None:
    """Repeat the step, tell what came of it; exit code 1 if it is not that of the run."""
    args = parse_args()

    from projects.SRKD.base import misuse_told  # after parsing: --help is quick

    with misuse_told('replay_step.py'):
        from projects.SRKD.engine.finite_step.replay import replay_step

        replay = replay_step(args.folder, args.rank)
    print(replay.report())
    sys.exit(not replay.same)


if __name__ == '__main__':
    main()
