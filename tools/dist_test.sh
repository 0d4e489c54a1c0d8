#!/usr/bin/env bash
# Evaluate on the GPUs of one or more machines; without CUDA, in that many gloo processes on CPU.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: [NNODES=1 NODE_RANK=0 MASTER_ADDR=127.0.0.1 PORT=29500 PYTHON=python]" \
        "$0 CONFIG CHECKPOINT GPUS [test.py options]" >&2
    exit 2
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
config=$1
checkpoint=$2
gpus=$3
PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}" \
    exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes "${NNODES:-1}" --node_rank "${NODE_RANK:-0}" --nproc_per_node "$gpus" \
    --master_addr "${MASTER_ADDR:-127.0.0.1}" --master_port "${PORT:-29500}" \
    "$tools/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"
