"""What mmdet3d's inference asks of a model config: ``train_cfg=None`` in whatever it is given."""

import copy
from collections.abc import Mapping

from mmengine.config import ConfigDict

from ..base import UsageError


def for_inference(network: Mapping, owner: str, train_cfg: Mapping | None) -> ConfigDict:
    """Config of a network that will not be trained.

    Args:
        network: Config of the network inside.
        owner: Type of the config that holds it, for the message.
        train_cfg: What was asked for.

    Raises:
        UsageError: If it is anything but None.
    """
    if train_cfg is not None:
        raise UsageError(
            f'train_cfg of {owner} must be None, which builds a network for inference, but got '
            f'{dict(train_cfg)}: training is configured inside, in train_cfg of '
            f'{network.get("type")}'
        )
    return ConfigDict(copy.deepcopy(network), train_cfg=None)  # constructors edit their lists
