#!/usr/bin/env bash
# Makes .venv from the locked dependencies, each checked against its hash, and puts Peergate into it as it lies
# here. Run by make when the lock changed; a broken-off run is simply run again.
set -euo pipefail
cd "$(dirname "$0")/../.."

is_new_enough='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c "$is_new_enough" 2>/dev/null; then
  python=
  for candidate in python3.13 python3.12 python3.11 python3; do
    # Asked rather than looked for: a name on PATH may be a stand-in for a version that is not there.
    if "$candidate" -c "$is_new_enough" >/dev/null 2>&1; then
      python=$candidate
      break
    fi
  done
  if [ -z "$python" ]; then
    echo "error: no Python 3.11 or newer with venv on PATH; install python3.11 and python3.11-venv" >&2
    exit 1
  fi
  echo "setup: .venv with $("$python" --version)"
  "$python" -m venv --clear .venv
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
echo "setup: locked dependencies"
# The lock names everything; resolving again would let an extra (coverage[toml]) reach for a newer release.
.venv/bin/python -m pip install --require-hashes --no-deps -r tests/requirements.lock |
  { grep --line-buffered -v '^Requirement already satisfied' || true; }
echo "setup: peergate itself"
.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
.venv/bin/python -m pip check | { grep -v '^No broken requirements found' || true; }
touch .venv/.ready
