#!/usr/bin/env bash
# Re-makes the locks with the newest versions that pyproject.toml and web/package.json allow.
# Locks hold names, versions and hashes, and no addresses: see docs/decisions.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.venv/bin:$PATH"

lock() {
  uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate "$@"
}
lock requirements/uv.in --output-file requirements/uv.txt
lock pyproject.toml --group dev --all-extras --output-file requirements/dev.txt
lock pyproject.toml --constraints requirements/dev.txt --output-file requirements/runtime.txt

# In an empty folder: beside an existing node_modules, npm locks the packages of this platform only.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp web/package.json web/.npmrc "$folder"
(cd "$folder" && npm install --package-lock-only --loglevel=error)
# npm leaves out a platform's package that the registry lacks, and says nothing; `npm ci` then fails.
(cd "$folder" && npm ci --dry-run --loglevel=error >/dev/null)
python - "$folder/package-lock.json" web/package-lock.json <<'PYTHON'
"""Drop what nobody needs from the lock: the addresses at which packages ask for money."""
import json
import sys
from pathlib import Path

source, target = map(Path, sys.argv[1:])
lock = json.loads(source.read_text())
for package in lock["packages"].values():
    package.pop("funding", None)
target.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
PYTHON
