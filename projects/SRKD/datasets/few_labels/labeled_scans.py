"""The labeled scans alone, beside which a student with all scans is measured."""

from __future__ import annotations

from mmdet3d.registry import DATASETS

from .partial_labels import PartialLabels


@DATASETS.register_module()
class LabeledScans(PartialLabels):
    """The scans that :class:`PartialLabels` keeps the labels of, and no others.

    With equal arguments these are the same scans: what a student learns from the labels alone. They
    are repeated, so that an epoch is as long as one of all scans, and a schedule means the same.

    Args:
        dataset: As for :class:`PartialLabels`, as are all others.

    Example:
        .. code-block:: python

            train_dataloader = dict(dataset=dict(
                _delete_=True, type='LabeledScans', labeled=4, seed=0,
                dataset=_base_.train_dataloader.dataset))
    """

    def _hide(self) -> None:
        super()._hide()
        kept = set(self.names)
        entries = self.dataset.data_list
        labeled = [e for e in entries if e['lidar_points']['lidar_path'] in kept]
        self.dataset.data_list = labeled
        self.dataset._set_group_flag()
        self._length, self._ori_len = len(entries), len(labeled)

    def __len__(self) -> int:
        """As many as all scans are; the last repetition may be cut short."""
        return self._length
