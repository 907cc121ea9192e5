#!/bin/sh
# A hook of azure.yaml: python -m infra.settle, with the Python that is there.
set -eu
cd "$(dirname "$0")/.."
exec "$(command -v python3 || command -v python)" -m infra.settle
