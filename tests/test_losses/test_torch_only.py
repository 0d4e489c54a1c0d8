import sys
from pathlib import Path

from processes import run

ROOT = Path(__file__).parents[2]

CODE = """
import sys

foreign = ('mmdet3d', 'mmdet', 'mmengine', 'mmcv', 'spconv')
sys.modules.update(dict.fromkeys(foreign))  # importing any of them now fails
import torch
from projects.SRKD import losses, ops
feat = torch.ones(3, 2, requires_grad=True)
losses.affinity_mse(feat, torch.rand(3, 2)).backward()
assert ops.knn(feat, feat, 1).shape == (3, 1)
assert all(hasattr(module, name) for module in (losses, ops) for name in module.__all__)
"""


def test_losses_and_ops_need_torch_alone():
    result = run([sys.executable, '-c', CODE], cwd=ROOT)
    assert result.returncode == 0, result.stderr
