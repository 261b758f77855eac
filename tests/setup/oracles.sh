#!/bin/sh
# The Python libraries that our reading of recurrence rules is compared with, in a folder of their
# own: oracles.sh FOLDER. `make test` needs them; they take a few seconds to install, once.
set -eu
target=${1:?usage: oracles.sh FOLDER}
wanted=$(dirname "$0")/oracles.txt
python=/usr/bin/python3

cmp -s "$wanted" "$target/installed.txt" && exit 0
$python -c 'import ensurepip, venv' 2>/dev/null || {
    echo "oracles: $python has no venv: install python3-venv" >&2
    exit 1
}
echo "oracles: installing $(grep -v '^#' "$wanted" | tr '\n' ' ')"
rm -rf "$target"
$python -m venv "$target"
"$target/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted" || {
    echo "oracles: pip could not install what $wanted lists (its words stand above)" >&2
    exit 1
}
cp "$wanted" "$target/installed.txt"
