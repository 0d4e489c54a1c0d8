"""Files as Pointcept writes them, made of networks of this project or of the golden vector."""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from serialized_backbone import seeded

from projects.SRKD.backbones import CDSegNet, LitePT, PointTransformerV3

GOLDEN = Path(__file__).parent / 'golden/ptv3_pointcept_small.npz'
STAGES = dict(stride=(2, 2), enc_depths=(1, 2, 1), dec_depths=(1, 1))
PTV3 = dict(
    STAGES, in_channels=6, enc_channels=(16, 32, 48), enc_num_head=(1, 2, 3), dec_channels=(32, 32),
    dec_num_head=(2, 2), enc_patch_size=(1024,) * 3, dec_patch_size=(1024,) * 2, drop_path=0.0,
)  # fmt: skip
LITEPT = dict(
    STAGES, in_channels=6, enc_channels=(36, 36, 72), enc_num_head=(2, 2, 4),
    enc_attn=(False, False, True), dec_depths=(0, 1), dec_channels=(36, 36), dec_num_head=(2, 2),
    dec_attn=(False, False), enc_patch_size=(1024,) * 3, dec_patch_size=(1024,) * 2, drop_path=0.0,
)  # fmt: skip
NOISE = dict(
    stride=(4,), enc_depths=(1, 1), enc_channels=(16, 32), enc_num_head=(1, 2),
    enc_patch_size=(1024,) * 2, dec_depths=(1,), dec_channels=(16,), dec_num_head=(1,),
    dec_patch_size=(1024,),
)  # fmt: skip
CDSEGNET = PTV3 | dict(noise=NOISE, time_channels=16)


def golden():
    """Config, voxels and features, weights and output of the original's code."""
    content = np.load(GOLDEN)
    batch = np.searchsorted(content['offset'], np.arange(len(content['grid'])), side='right')
    coors = torch.from_numpy(np.concatenate([batch[:, None], content['grid']], 1))
    weights = {k[3:]: torch.from_numpy(content[k]) for k in content.files if k.startswith('sd/')}
    feat, out = torch.from_numpy(content['feat']), torch.from_numpy(content['out'])
    return json.loads(str(content['cfg'])), (feat, coors), weights, out


def released(backbone, channels, classes=20):
    """Parameters of a segmentor by Pointcept's names, as ``DefaultSegmentorV2`` saves them."""
    torch.manual_seed(1)
    head = {
        'seg_head.weight': torch.randn(classes, channels),
        'seg_head.bias': torch.randn(classes),
    }
    return {f'backbone.{key}': value for key, value in backbone.items()} | head


def ptv3(classes=20, **changes):
    network = seeded(PointTransformerV3, **PTV3 | changes).eval()
    return network, released(network.state_dict(), 32, classes)


def litept():
    network = seeded(LitePT, **LITEPT).eval()
    return network, released(network.state_dict(), 36)


def cdsegnet():
    """CDSegNet's own names: two branches side by side, the head within the backbone."""
    network = seeded(CDSegNet, **CDSEGNET).eval()
    pairs = [('noise.time.0.', 'fc_t1.'), ('noise.time.2.', 'fc_t2.'), ('noise.', '_c_'),
             ('fusion.', '_tm_dec0.cross_block2.'), ('', '_n_')]  # fmt: skip

    def theirs(key):
        ours, new = next(pair for pair in pairs if key.startswith(pair[0]))
        return f'backbone.{new}{key[len(ours) :]}'

    weights = {theirs(key): value for key, value in network.state_dict().items()}
    head = released({}, 32)
    return network, weights | {f'backbone._n_head.{k.split(".")[1]}': v for k, v in head.items()}


def save(weights, path, prefix='module.'):
    """Write a training's checkpoint, or bare weights where the name ends in ``.safetensors``."""
    weights = {prefix + key: value.contiguous() for key, value in weights.items()}
    if str(path).endswith('.safetensors'):
        save_file(weights, str(path))
    else:
        state = dict(state={0: dict(step=torch.tensor(1.0))}, param_groups=[dict(lr=0.1)])
        content = dict(epoch=100, state_dict=weights, optimizer=state, best_metric_value=0.77)
        torch.save(content, path)
    return str(path)


def prompted(weights, conditions=3):
    """The same network with norms for several data sets, the second being its own."""
    found = {}
    for key, value in weights.items():
        name, _, last = key.rpartition('.')
        if not is_norm(key):
            found[key] = value
            continue
        for i in range(conditions):
            other = value + (i - 1) if value.is_floating_point() else value
            found[f'{name}.norm.{i}.{last}'] = other
    return found


def is_norm(key):
    parts = key.split('.')
    return (
        'norm' in parts[-2]
        or (len(parts) > 2 and ('norm' in parts[-3] and parts[-2] == '0'))
        or ('cpe.2.' in key)
        or (('.proj.1.' in key or '.proj_skip.1.' in key) and 'up' in parts)
    )
