#!/bin/sh
# What pip cannot bring: a C++ compiler (the tests compare with pdqhash, which comes as source) and npm
# (one model comes in an npm package). Installed with apt where that can be done, else said.
set -u

missing=""
command -v g++ >/dev/null 2>&1 || missing="$missing g++"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
[ -z "$missing" ] && exit 0

as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && as_root="sudo"
fi
if command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || [ -n "$as_root" ]; }; then
    # shellcheck disable=SC2086
    $as_root apt-get update -qq && $as_root apt-get install -y -qq $missing && exit 0
fi
echo "not installed:$missing. Install with your package manager: without npm the nsfwjs model stays off," \
     "without g++ the tests cannot be installed." >&2
exit 0
