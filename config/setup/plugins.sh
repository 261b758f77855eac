#!/bin/sh
# Builds every plugin crate under a folder as a WASM component and lays each out as it is installed:
#   STAGE/NAME/component.wasm, plugin.toml, and templates/ and cases/ where the plugin has them.
# Usage: plugins.sh FOLDER STAGE        (plugins.sh plugins target/plugins)
set -eu
cd "$(dirname "$0")/../.."

source=$1
stage=$2
target=wasm32-wasip2
profile=plugin

package_name() {
    sed -n '/^\[package\]/,/^\[[^p]/s/^name *= *"\(.*\)".*/\1/p' "$1/Cargo.toml" | head -n 1
}

packages=
for manifest in "$source"/*/Cargo.toml; do
    [ -e "$manifest" ] || continue
    packages="$packages -p $(package_name "${manifest%/Cargo.toml}")"
done

mkdir -p "$stage"
if [ -z "$packages" ]; then
    echo "plugins: none under $source/"
    exit 0
fi

# A call begins with memory as it was built, so what a plugin never touches is to be small: a
# quarter of a megabyte is put back in place, the rest page by page. rustc reserves one for the
# stack alone; 128 KiB hold every call of the bundled plugins, and one that needs more ends in a
# trap that names it.
small_stack='target.wasm32-wasip2.rustflags = ["-Clink-arg=-zstack-size=131072"]'

# shellcheck disable=SC2086 # a list of arguments
cargo build --config "$small_stack" --locked --profile $profile --target $target $packages

for manifest in "$source"/*/Cargo.toml; do
    crate=${manifest%/Cargo.toml}
    name=${crate##*/}
    file=$(package_name "$crate" | tr - _).wasm
    fresh=$stage/.$name.new
    rm -rf "$fresh"
    mkdir "$fresh"
    cp "${CARGO_TARGET_DIR:-target}/$target/$profile/$file" "$fresh/component.wasm"
    cp "$crate/plugin.toml" "$fresh/"
    for folder in templates cases; do
        [ ! -d "$crate/$folder" ] || cp -R "$crate/$folder" "$fresh/"
    done
    rm -rf "${stage:?}/$name"
    mv "$fresh" "$stage/$name"
done

# What is no longer a plugin here is no longer staged.
for staged in "$stage"/*/; do
    name=$(basename "$staged")
    [ -e "$source/$name/Cargo.toml" ] || [ ! -e "$staged/component.wasm" ] || rm -rf "$staged"
done
echo "plugins: $(ls "$stage" | tr '\n' ' ')in $stage"
