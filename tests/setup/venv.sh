#!/bin/sh
# Python programs and libraries that `make test` compares us with or runs, in a folder of their own:
# venv.sh NAME FOLDER installs what NAME.txt beside this file lists. It takes seconds, once.
set -eu
name=${1:?usage: venv.sh NAME FOLDER}
target=${2:?usage: venv.sh NAME FOLDER}
wanted=$(dirname "$0")/$name.txt
python=/usr/bin/python3

cmp -s "$wanted" "$target/installed.txt" && exit 0
$python -c 'import ensurepip, venv' 2>/dev/null || {
    echo "$name: $python has no venv: install python3-venv" >&2
    exit 1
}
echo "$name: installing $(grep -v '^#' "$wanted" | tr '\n' ' ')"
rm -rf "$target"
$python -m venv "$target"
"$target/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted" || {
    echo "$name: pip could not install what $wanted lists (its words stand above)" >&2
    exit 1
}
cp "$wanted" "$target/installed.txt"
