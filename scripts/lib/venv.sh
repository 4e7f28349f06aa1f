# shellcheck shell=bash
# Sourced by the scripts. `ensure_venv run|test` installs raysweep into .venv with the pins of
# constraints.txt (`test` adds the [test] extra), unless it is installed already. Afterwards $root is the checkout and $python the interpreter of .venv.

# -P: a linked scripts/ folder still means the checkout that it is in.
root=$(CDPATH='' cd -P -- "$(dirname -- "${BASH_SOURCE[0]}")" && cd -P ../.. && pwd -P)
venv=$root/.venv
python=$venv/bin/python

say() { printf 'raysweep: %s\n' "$*" >&2; }

# Ray 2.54.1 has wheels for Python 3.10 to 3.13; Debian splits venv and ensurepip off.
suits() {
  "$1" -c 'import ensurepip, sys, venv
sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# Prints the interpreter to make .venv from: $PYTHON if it is set, else the first that suits.
find_python() {
  local candidate
  local -a candidates=(python3 python3.13 python3.12 python3.11 python3.10)
  [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
  for candidate in "${candidates[@]}"; do
    if suits "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  say "none of ${candidates[*]} is Python 3.10 to 3.13 with its venv module;" \
    "install one (Debian: apt install python3-venv) or name it: PYTHON=/path/to/python3 $0"
  return 2
}

# Prints all that an installation depends on; a stamp file with the same text means that it is done.
# The checkout's path is part of it, because an editable install points there.
wanted() { printf '%s\n' "$root" && cat "$root/pyproject.toml" "$root/constraints.txt"; }

is_installed() {
  [ -x "$python" ] && [ "$(cat "$venv/installed.$1" 2>/dev/null)" = "$(wanted)" ]
}

# Locks file descriptor 9. The lock outlives this Python, and ends with the script however it ends.
lock() {
  "$1" -c 'import fcntl, sys
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("raysweep: waiting for another call that is installing", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)'
}

pip_install() {
  (cd "$root" && "$1" -m pip install --disable-pip-version-check --no-input --progress-bar off \
    -c constraints.txt -e ".$2")
}

# .venv/cluster extends .venv with ray[default], which the tests of `submit` need. In .venv itself it
# would cost every start of Ray 1.5 s of CPU (5.5 s instead of 3.9; n=5).
install_beside() {
  overlay "$venv/cluster" && pip_install "$venv/cluster/bin/python" '[cluster]'
}

# Makes a virtual environment that sees all packages of .venv.
overlay() {
  "$python" -m venv --clear --without-pip "$1" || return
  "$python" -c 'import pathlib, sys, sysconfig
here = sysconfig.get_path("purelib")
beside = sysconfig.get_path("purelib", vars={"base": sys.argv[1]})
pathlib.Path(beside, "beside.pth").write_text(f"import site; site.addsitedir({here!r})\n")' "$1"
}

# .venv/newest-ray extends .venv with the newest Ray that pyproject.toml allows, updated once a day.
# Fails if it cannot be installed. It is a subshell, whose end releases the lock.
ensure_newest_ray() (
  beside=$venv/newest-ray
  exec 9<>"$root/constraints.txt"
  lock "$python" || exit
  if [ -n "$(find "$beside/installed" -mtime -1 2>/dev/null)" ] &&
    [ "$(cat "$beside/installed")" = "$(wanted)" ]; then
    exit 0
  fi
  say "installing the newest Ray into $beside: a minute or two, 0.3 GB"
  { overlay "$beside" && "$beside/bin/python" -m pip install --disable-pip-version-check \
    --no-input --progress-bar off --upgrade 'ray[tune]<3'; } \
    >"$venv/newest-ray.log" 2>&1 </dev/null 9<&- || exit
  wanted >"$beside/installed"
)

# .venv/libraries extends .venv with libraries that log to W&B by themselves, for tests/libraries.
ensure_libraries() {
  local beside=$venv/libraries
  [ -x "$beside/bin/python" ] && [ "$(cat "$beside/installed" 2>/dev/null)" = "$(wanted)" ] && return
  say "installing libraries into $beside: a minute or two, 0.5 GB"
  overlay "$beside" && "$beside/bin/python" -m pip install --disable-pip-version-check --no-input \
    --progress-bar off --quiet lightning scikit-learn lightgbm transformers accelerate matplotlib ||
    return
  wanted >"$beside/installed"
}

install() {
  local base=$1 profile=$2 log=$venv/install.log extra='' done_profile
  local -a profiles=(run)
  if [ "$profile" = test ]; then
    extra='[test]'
    profiles=(run test)
  fi
  say "installing into $venv: 2 to 5 minutes, 6.6 GB"
  rm -f "$venv"/installed.* || return
  # An interrupted venv has an interpreter and no pip.
  "$python" -m pip --version >/dev/null 2>&1 || "$base" -m venv --clear "$venv" >&2 || return
  if ! { pip_install "$python" "$extra" && { [ "$profile" != test ] || install_beside; }; } \
    >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    say "the installation failed; mend what the lines above say and call again (log: $log)"
    return 1
  fi
  for done_profile in "${profiles[@]}"; do
    wanted >"$venv/installed.$done_profile.tmp" &&
      mv "$venv/installed.$done_profile.tmp" "$venv/installed.$done_profile" || return
  done
}

ensure_venv() {
  local base
  is_installed "$1" && return
  base=$(find_python) || return
  exec 9<>"$root/constraints.txt"
  lock "$base" || return
  # Another call may have installed it while this one waited.
  is_installed "$1" || install "$base" "$1" || return
  exec 9>&-
}
