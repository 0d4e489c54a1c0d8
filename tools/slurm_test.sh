#!/usr/bin/env bash
# Evaluate as a Slurm job.
set -euo pipefail
if [ $# -lt 4 ]; then
    echo "usage: [GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=5 SRUN_ARGS= PYTHON=python]" \
        "$0 PARTITION JOB_NAME CONFIG CHECKPOINT [test.py options]" >&2
    exit 2
fi
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-8}
((per_node <= gpus)) || per_node=$gpus
# SRUN_ARGS is a list of words on purpose.
# shellcheck disable=SC2086
PYTHONPATH="$(dirname "$tools")${PYTHONPATH:+:$PYTHONPATH}" \
    exec srun -p "$1" --job-name="$2" --gres=gpu:"$per_node" --ntasks="$gpus" \
    --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$tools/test.py" "$3" "$4" --launcher slurm "${@:5}"
