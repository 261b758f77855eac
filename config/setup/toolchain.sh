#!/bin/sh
# Makes sure that the Rust toolchain of rust-toolchain.toml is there, with its components and targets.
# Downloads only what is missing; says nothing when nothing is.
# Rust links with the system's C compiler, so that one is looked for too.
set -eu
cd "$(dirname "$0")/../.."

fail() {
    echo "setup: $1" >&2
    exit 1
}

# A list of strings from rust-toolchain.toml, one per line: list components
list() {
    sed -n "s/^$1 *= *\[\(.*\)\].*/\1/p" rust-toolchain.toml | tr -d '" ' | tr ',' '\n'
}

# Installs a C compiler where that needs no questions; fails elsewhere.
c_compiler() {
    command -v apt-get >/dev/null 2>&1 || return 1
    root=
    [ "$(id -u)" = 0 ] || root='sudo -n'
    $root true 2>/dev/null || return 1
    echo "setup: installing gcc"
    install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev"
    # shellcheck disable=SC2086 # words of a command
    $root $install >/dev/null 2>&1 ||
        { $root apt-get update -qq && $root $install; } >/dev/null
}

if ! command -v cc >/dev/null 2>&1; then
    c_compiler || fail "no C compiler was found (cc): install one (Debian: gcc and libc6-dev)"
fi

channel=$(sed -n 's/^channel *= *"\(.*\)".*/\1/p' rust-toolchain.toml)
[ -n "$channel" ] || fail "rust-toolchain.toml names no channel"

if ! command -v rustup >/dev/null 2>&1; then
    # A Rust that came another way is as good, if it is the same one and has the guests' target.
    case "$(rustc --version 2>/dev/null || true)" in
    "rustc $channel "*) ;;
    *) fail "rustup was not found: install it from https://rustup.rs, then run this again" ;;
    esac
    for target in $(list targets); do
        [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] ||
            fail "this Rust has no target $target: install rustup (https://rustup.rs) or add the target"
    done
    exit 0
fi

if ! rustup toolchain list | grep -q "^$channel\(-\| \|$\)"; then
    echo "setup: installing Rust $channel"
    # Without a name it reads rust-toolchain.toml; before rustup 1.28 it wants one.
    rustup toolchain install ||
        rustup toolchain install "$channel" --profile minimal ||
        fail "rustup could not install Rust $channel: see its message above (is there a network?)"
fi

have=$(rustup component list --installed --toolchain "$channel") ||
    fail "rustup could not list the components of Rust $channel: see its message above"
for component in $(list components); do
    echo "$have" | grep -q "^$component\(-\|$\)" && continue
    echo "setup: adding $component to Rust $channel"
    rustup component add --toolchain "$channel" "$component" ||
        fail "rustup could not add $component to Rust $channel: see its message above"
done

have=$(rustup target list --installed --toolchain "$channel") ||
    fail "rustup could not list the targets of Rust $channel: see its message above"
for target in $(list targets); do
    echo "$have" | grep -qx "$target" && continue
    echo "setup: adding the target $target to Rust $channel"
    rustup target add --toolchain "$channel" "$target" ||
        fail "rustup could not add the target $target to Rust $channel: see its message above"
done
