#!/bin/sh
# Fuzzes one target for so many seconds: run.sh TARGET SECONDS. Needs a nightly toolchain and a C++
# compiler; cargo-fuzz works here too, but is not needed.
set -eu
cd "$(dirname "$0")"
target=$1 seconds=${2:-60}
triple=$(rustc -vV | sed -n 's/^host: //p')
# The versions that the program is built with.
cp ../../Cargo.lock Cargo.lock
features=
if [ "$target" = imap ]; then features="--features daemon"; fi
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1" \
  cargo +nightly build --release --target "$triple" --bin "$target" $features
mkdir -p "found/$target" artifacts
exec "target/$triple/release/$target" "found/$target" "corpus/$target" \
  -max_total_time="$seconds" -timeout=10 -max_len=65536 -artifact_prefix="artifacts/$target-" \
  -print_final_stats=1
