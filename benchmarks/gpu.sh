#!/usr/bin/env bash
# What is guaranteed, and what it costs, on an accelerator: one call of under 8 minutes, on a machine without a package index.
#   benchmarks/gpu.sh pack PROJECT FASHION_MNIST [PYTHON]   here: copies a generated project, its data and wheels to .gpu/
#   benchmarks/gpu.sh run FOLDER [cpu|gpu] [MINUTES]        there: trains with the torch that is installed; writes FOLDER/gpu.md
# PYTHON is the version there (3.12). The wheels are those in the project's lock, except torch and its dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."

# What training imports. The rest of the lock is for DVC, trackers and the server.
NEEDED="antlr4-python3-runtime hydra-core omegaconf lightning lightning-utilities torchmetrics pydantic pydantic-core
annotated-types typing-inspection safetensors python-dotenv"

pack() {
    local project=$1 source=$2 python=${3:-3.12} name
    rm -rf .gpu && mkdir -p .gpu/wheels
    git -C "$project" ls-files -z | tar -C "$project" --null --files-from - -cf - | (mkdir -p .gpu/project && tar -C .gpu/project -xf -)
    cp benchmarks/gpu.py benchmarks/by_hand.py benchmarks/project.py .gpu/
    for name in $NEEDED; do
        grep -iE "^$name==" "$project/requirements.txt" | grep -oE '^[^ ;\\]+' >>.gpu/wheels.txt || true
    done
    (cd "$project" && tar -cf - data/raw 2>/dev/null) | tar -C .gpu/project -xf -
    mkdir -p .gpu/fashion-mnist && cp "$source"/*-ubyte* .gpu/fashion-mnist/
    python3 -m pip download --quiet --no-deps --python-version "$python" --implementation cp --only-binary=:all: \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --dest .gpu/wheels \
        --requirement <(grep -v antlr4 .gpu/wheels.txt)
    # antlr4 is published as a source archive only
    python3 -m pip wheel --quiet --no-deps --wheel-dir .gpu/wheels "$(grep antlr4 .gpu/wheels.txt)"
    du -sh .gpu
}

measure() {
    local folder=$1 accelerator=${2:-gpu} minutes=${3:-7}
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    cd .gpu
    python3 -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target site wheels/*.whl
    cd project
    export PYTHONPATH="$PWD/../site:$PWD/src" GIT_AUTHOR_NAME=gpu GIT_AUTHOR_EMAIL=gpu@localhost GIT_COMMITTER_NAME=gpu \
        GIT_COMMITTER_EMAIL=gpu@localhost
    [ -d .git ] || { git init --quiet && git add --all && git commit --quiet --message "Measure"; }
    exec python3 ../gpu.py ../fashion-mnist "$folder/gpu.md" "$accelerator" "$minutes"
}

case "${1:-}" in
    pack) shift && pack "$@" ;;
    run) shift && measure "$@" ;;
    *) sed -n '2,5s/^# //p' "$0" && exit 2 ;;
esac
