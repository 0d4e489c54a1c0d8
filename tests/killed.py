"""Processes that are killed while they write, at any step of it."""

import multiprocessing
import os
import signal
import sys
from pathlib import Path

import torch
from processes import DEADLINE


class Killer:
    """Ends this process by SIGKILL at the n-th step of writing, or half-way through a file.

    Steps are what Python tells its audit hooks: opening for writing, renaming and removing files.

    Args:
        at: The step; None to count them alone.
        names: Parts of the names of the files that count.
        halfway: Whether steps are files of ``Path.write_bytes``, half written.
    """

    def __init__(self, at, names, halfway=False):
        self.at, self.names, self.seen = at, names, 0
        if halfway:
            write = Path.write_bytes

            def write_half(path, content):
                write(path, content[: len(content) // 2])
                self.step()
                return write(path, content)

            Path.write_bytes = write_half
        else:
            sys.addaudithook(self.hear)

    def hear(self, event, args):
        if event not in ('open', 'os.rename', 'os.remove'):
            return
        name = str(args[0])
        writes = event != 'open' or args[2] & (os.O_WRONLY | os.O_RDWR)
        if writes and any(part in name for part in self.names):
            self.step()

    def step(self):
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def forked(function, *args):
    """Call in a fork, which has mmdet3d imported; returns the exit code."""
    # autograd's threads, which there are beside a GPU, outlive no fork
    kind = 'spawn' if torch.cuda.is_available() else 'fork'
    process = multiprocessing.get_context(kind).Process(target=function, args=args)
    process.start()
    process.join(DEADLINE)
    assert process.exitcode is not None, 'a process hangs'
    return process.exitcode
