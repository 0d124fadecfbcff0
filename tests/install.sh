# Read by the scripts beside it: gets what they need, where that is allowed. As root, or with CI=true, it is.

may_install() {
  [ "$(id -u)" -eq 0 ] || [ "${CI:-}" = true ]
}

apt() {
  local as_root=env
  [ "$(id -u)" -eq 0 ] || as_root="sudo -n"
  $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >&2
}

# install <package>…: Debian packages, where this user may. By lists of today: old ones name programs that are too old.
install() {
  may_install && command -v apt-get >/dev/null || return 1
  local updated
  updated=$(target_folder)/apt-updated
  [ -n "$(find "$updated" -mtime -1 2>/dev/null)" ] || { apt update && mkdir -p "$(target_folder)" && touch "$updated"; } || true
  apt install -y --no-install-recommends "$@"
}

# python_folder <folder>: a Python of its own, for packages that are thrown away with the folder.
python_folder() {
  python3 -m venv "$1" >/dev/null 2>&1 || { install python3-venv && python3 -m venv "$1" >&2; }
}

# target_folder: everything that is built or fetched is in it.
target_folder() {
  realpath -m "${CARGO_TARGET_DIR:-target}"
}
