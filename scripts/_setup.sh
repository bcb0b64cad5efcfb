# Sourced by the scripts beside it: goes to the repository's root, and makes .venv what pyproject.toml asks for.
#
#   setup            the package itself
#   setup all        and all that it can use: to evolve, write reports and videos, and evaluate with Ray
#   setup dev        and what its tests need
#
# PYTHON names the interpreter that .venv is made with; any from 3.10 will do.

set -euo pipefail

here="$(basename "$0")"
start="$PWD"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root="$PWD"
python="$root/.venv/bin/python"

# Models come from the package or a folder, never from a network.
export HF_HUB_OFFLINE=1

# Threads that wait by spinning slow everything down as soon as anything else runs.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"

fail() {
  printf '\nscripts/%s: %s\n' "$here" "$1" >&2
  exit 1
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  fail "no Python from 3.10 on the path; install one, or name it: PYTHON=/path/to/python scripts/$here"
}

# Whether an extra was installed for the key of the function that asks.
installed() {
  [[ "$(cat ".venv/.installed-$1" 2>/dev/null)" == "$key" ]]
}

setup() {
  local extra="${1:-}" interpreter key quiet=()
  if ! "$python" -c '' 2>/dev/null; then
    interpreter="$(find_python)"
    printf 'making .venv with %s\n' "$("$interpreter" --version)" >&2
    "$interpreter" -m venv --clear .venv ||
      fail "could not make .venv; on Debian and Ubuntu the package python3-venv is missing"
  fi
  # What dev installed serves all, and what all installed serves the package itself.
  key="$(cat pyproject.toml constraints.txt | cksum) $(pwd)"
  if installed dev; then return; fi
  if [[ "$extra" != dev ]] && installed all; then return; fi
  if [[ -z "$extra" ]] && installed ""; then return; fi
  printf 'installing evocache into .venv (the first time takes some minutes)\n' >&2
  if [[ ! -t 2 ]]; then quiet=(--quiet); fi
  "$python" -m pip install ${quiet[@]+"${quiet[@]}"} --disable-pip-version-check --no-input \
    -c constraints.txt -e ".${extra:+[$extra]}" >&2 || fail "the installation failed; pip says why above"
  printf '%s\n' "$key" >".venv/.installed-$extra"
}
