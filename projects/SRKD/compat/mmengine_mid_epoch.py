"""An epoch that is resumed in its middle goes on where it stood.

Breaks: a checkpoint written by iterations (``by_epoch=False``) and resumed repeats its epoch from
    the first batch and overruns the schedule: 19 steps where 16 were planned.
Where: mmengine 0.10.7 ``runner/loops.py``: ``EpochBasedTrainLoop.run_epoch`` counts from 0.
Delete when: mmengine's loop begins behind the batches a checkpoint has seen.

``loop.first_batch``, set by whoever knows (``ReseedHook``), says how many that are; they are not
loaded again.
"""

from importlib.util import find_spec
from itertools import islice


def run_epoch(self) -> None:
    """Stands for mmengine's method; begins behind the first ``self.first_batch`` batches."""
    from ..datasets.sample_draws import with_batches

    self.runner.call_hook('before_train_epoch')
    self.runner.model.train()
    first, self.first_batch = self.first_batch, 0
    loader = self.dataloader
    if first:
        loader = with_batches(loader, islice(loader.batch_sampler, first, None))
    for idx, data_batch in enumerate(loader, start=first):
        self.run_iter(idx, data_batch)

    self.runner.call_hook('after_train_epoch')
    self._epoch += 1


def apply() -> bool:
    """Mend the loop; ``first_batch`` is 0 unless somebody sets it."""
    if find_spec('mmengine') is None:
        return False
    from mmengine.runner import EpochBasedTrainLoop

    EpochBasedTrainLoop.first_batch = 0
    EpochBasedTrainLoop.run_epoch = run_epoch
    return True
