#!/bin/sh
# The programs that `make bench` runs beside Liaison: mbsync (Debian's isync), ImapFlow
# (npm) and vdirsyncer (PyPI).
# What cannot be had is named, and its figures are left out; no test needs them.
set -u
target=${1:?usage: peers.sh FOLDER}

if ! command -v mbsync >/dev/null 2>&1; then
    root=''
    [ "$(id -u)" = 0 ] || root='sudo -n'
    echo "peers: installing isync"
    $root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq \
        --no-install-recommends isync >/dev/null 2>&1 ||
        echo "peers: no mbsync here; install isync to have its figures" >&2
fi

venv=$target/vdirsyncer
wanted=vdirsyncer==0.21.0
if [ ! -x "$venv/bin/vdirsyncer" ]; then
    if /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null; then
        echo "peers: installing $wanted"
        { /usr/bin/python3 -m venv "$venv" &&
            "$venv/bin/pip" install --quiet --disable-pip-version-check "$wanted" >/dev/null; } 2>&1 || {
            rm -rf "$venv"
            echo "peers: $wanted could not be installed; its figures are left out" >&2
        }
    else
        echo "peers: no python3-venv here; the figures of vdirsyncer are left out" >&2
    fi
fi

version=1.6.6
if [ ! -d "$target/node_modules/imapflow" ]; then
    if command -v npm >/dev/null 2>&1; then
        echo "peers: installing imapflow $version"
        mkdir -p "$target"
        npm install --silent --no-audit --no-fund --prefix "$target" "imapflow@$version" >/dev/null 2>&1 ||
            echo "peers: imapflow $version could not be installed; its figures are left out" >&2
    else
        echo "peers: no npm here; the figures of ImapFlow are left out" >&2
    fi
fi
exit 0
