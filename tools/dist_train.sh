#!/usr/bin/env bash
# Train on the GPUs of one or more machines; without CUDA, in that many gloo processes on CPU.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: [NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 PORT=29500 PYTHON=python]" \
        "$0 CONFIG GPUS [train.py options]" >&2
    exit 2
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
config=$1
gpus=$2
PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}" \
    exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes "${NNODES:-1}" --node_rank "${NODE_RANK:-0}" --nproc_per_node "$gpus" \
    --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}" \
    "$tools/train.py" "$config" --launcher pytorch "${@:3}"
