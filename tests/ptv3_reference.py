"""PTv3 in eval, voxel by voxel, from the paper and the state dict's names; slow and float64."""

import torch
import torch.nn.functional as F


def curve(name, depth, x, y, z):
    """Place of one voxel on a curve, by lists of bits (highest first)."""
    if name.endswith('-trans'):
        x, y = y, x
    bits = [[value >> bit & 1 for bit in reversed(range(depth))] for value in (x, y, z)]
    if name.startswith('hilbert'):
        for level in range(depth):
            for axis in bits:
                for below in range(level + 1, depth):
                    if axis[level]:
                        bits[0][below] ^= 1
                    else:
                        bits[0][below], axis[below] = axis[below], bits[0][below]
    flat = [axis[level] for level in range(depth) for axis in bits]
    if name.startswith('hilbert'):
        for i in range(1, len(flat)):
            flat[i] ^= flat[i - 1]
    return int('0' + ''.join(map(str, flat)), 2)


class Reference:
    """The network as plain functions of lists of voxels ``(batch, x, y, z)``."""

    def __init__(self, network, cfg, first_release=False):
        self.cfg, self.first_release = cfg, first_release
        self.weights = {k: v.detach().double() for k, v in network.state_dict().items()}

    def get(self, *names):
        return [self.weights.get(name) for name in names]

    def linear(self, name, x):
        return F.linear(x, *self.get(f'{name}.weight', f'{name}.bias'))

    def layer_norm(self, name, x):
        return F.layer_norm(x, x.shape[1:], *self.get(f'{name}.weight', f'{name}.bias'))

    def batch_norm(self, name, x):
        mean, var, weight, bias = self.get(
            *(f'{name}.{part}' for part in ('running_mean', 'running_var', 'weight', 'bias'))
        )
        return (x - mean) / (var + 1e-3).sqrt() * weight + bias

    def convolve(self, name, x, voxels):
        weight, bias = self.get(f'{name}.weight', f'{name}.bias')
        reach = weight.shape[1] // 2
        row = {voxel: i for i, voxel in enumerate(voxels)}
        steps = range(-reach, reach + 1)
        out = []
        for b, vx, vy, vz in voxels:
            total = torch.zeros(weight.shape[0], dtype=x.dtype)
            for dx in steps:
                for dy in steps:
                    for dz in steps:
                        at = row.get((b, vx + dx, vy + dy, vz + dz))
                        if at is not None:
                            total = total + weight[:, dx + reach, dy + reach, dz + reach] @ x[at]
            out.append(total if bias is None else total + bias)
        return torch.stack(out)

    def attend(self, name, x, voxels, depth, order, heads, patch_size):
        qkv = self.linear(f'{name}.qkv', x)
        q, k, v = (part.unflatten(1, (heads, -1)) for part in qkv.chunk(3, 1))
        out = torch.zeros_like(q)
        for sample in {voxel[0] for voxel in voxels}:
            rows = [i for i, voxel in enumerate(voxels) if voxel[0] == sample]
            rows.sort(key=lambda i: curve(order, depth, *voxels[i][1:]))
            for start in range(0, len(rows), patch_size):
                own = rows[start : start + patch_size]
                # a short last patch sees the last `patch_size` rows of its sample
                seen = rows[max(0, min(start, len(rows) - patch_size)) :][:patch_size]
                scale = self.cfg.get('qk_scale') or q.shape[-1] ** -0.5
                score = torch.einsum('ihd,jhd->hij', q[own], k[seen]) * scale
                out[own] = torch.einsum('hij,jhd->ihd', score.softmax(-1), v[seen])
        return self.linear(f'{name}.proj', out.flatten(1))

    def blocks(self, part, k, x, voxels, depth, source=None):
        cfg = self.cfg
        for i in range(cfg[f'{part}_depths'][k]):
            name = f'{part}.{part}{k}.block{i}'
            position = self.convolve(f'{name}.cpe.0', x if source is None else source, voxels)
            x = x + self.layer_norm(f'{name}.cpe.2', self.linear(f'{name}.cpe.1', position))
            x = x + self.attend(
                f'{name}.attn',
                self.layer_norm(f'{name}.norm1.0', x),
                voxels,
                depth,
                cfg['order'][i % len(cfg['order'])],
                cfg[f'{part}_num_head'][k],
                cfg[f'{part}_patch_size'][k],
            )
            hidden = self.linear(f'{name}.mlp.0.fc1', self.layer_norm(f'{name}.norm2.0', x))
            branch = self.linear(f'{name}.mlp.0.fc2', F.gelu(hidden))
            x, source = x + branch, branch if self.first_release else None
        return x

    def branch(self, name, x):
        return F.gelu(self.batch_norm(f'{name}.1', self.linear(f'{name}.0', x)))

    def __call__(self, feat, coors, depth):
        """Features of every stage, finest first, as {voxel: (C,)}."""
        voxels, x = [tuple(row) for row in coors.tolist()], feat.double()
        x = self.convolve('embedding.stem.conv', x, voxels)
        x = F.gelu(self.batch_norm('embedding.stem.norm', x))
        skips = []
        for k in range(len(self.cfg['enc_depths'])):
            parent = None
            if k > 0:
                stride = self.cfg['stride'][k - 1]
                cells = [(b, *(c // stride for c in xyz)) for b, *xyz in voxels]
                coarse = sorted(set(cells))
                parent = [coarse.index(cell) for cell in cells]
                x = self.linear(f'enc.enc{k}.down.proj', x)
                inside = [[i for i, cell in enumerate(cells) if cell == one] for one in coarse]
                x = torch.stack([x[rows].amax(0) for rows in inside])
                x = F.gelu(self.batch_norm(f'enc.enc{k}.down.norm.0', x))
                voxels, depth = coarse, depth - (stride.bit_length() - 1)
            x = self.blocks('enc', k, x, voxels, depth)
            skips.append((x, voxels, depth, parent))
        stages = [dict(zip(voxels, x))]
        for k in reversed(range(len(skips) - 1)):
            skip, voxels, depth, _ = skips[k]
            up = self.branch(f'dec.dec{k}.up.proj', x)[skips[k + 1][3]]
            own = self.branch(f'dec.dec{k}.up.proj_skip', skip)
            x = self.blocks('dec', k, own + up, voxels, depth, source=own)
            stages.append(dict(zip(voxels, x)))
        return stages[::-1]
