//! Every input that the fuzzer starts from, or that ever broke something, through the functions
//! that the fuzzer calls.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    reason = "test code, also outside of test functions; a panic is how a finding is reported"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "../fuzz/src/targets.rs"]
mod targets;

/// Files in `corpus/TARGET`, with their names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
        .collect();
    files.sort();
    files
}

#[test]
fn every_input_of_the_corpus_keeps_what_its_target_promises() {
    for (name, target) in targets::TARGETS {
        let files = corpus(name);
        assert!(files.len() >= 5, "{name}: only {} inputs", files.len());
        for (file, bytes) in files {
            let ended = std::panic::catch_unwind(|| target(&bytes));
            assert!(ended.is_ok(), "{file}");
        }
    }
}

#[test]
fn every_folder_of_the_corpus_has_a_target_and_every_target_is_known_to_the_fuzzer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names: BTreeSet<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    let entries = fs::read_dir(folder.join("corpus")).expect("the corpus");
    for entry in entries {
        let name = entry.expect("an entry").file_name();
        assert!(
            names.contains(name.to_str().unwrap_or_default()),
            "{}",
            name.display()
        );
    }
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest");
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        let program = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs")));
        assert!(
            program
                .expect("a program")
                .contains(&format!("liaison_fuzz::{name}("))
        );
    }
}

/// Bytes changed at random: a small fuzzer for everybody who has none. `LIAISON_SEED` repeats a
/// run, `LIAISON_ROUNDS` makes it longer.
#[test]
fn inputs_changed_at_random_keep_what_their_target_promises() {
    let number = |name: &str, usual: u64| {
        let set = std::env::var(name).ok();
        set.map_or(usual, |text| text.parse().expect("a number"))
    };
    let (seed, rounds) = (
        number("LIAISON_SEED", 20_261_122),
        number("LIAISON_ROUNDS", 300),
    );
    for (name, target) in targets::TARGETS {
        let files = corpus(name);
        for round in 0..rounds {
            let seed = seed.wrapping_add(round);
            let mut chance = liaison_tests::chance::Chance::seeded(seed);
            let mut pick = |bound: usize| chance.within(0..bound.max(1) as u64) as usize;
            let mut bytes = files[pick(files.len())].1.clone();
            for _ in 0..=pick(5) {
                let other = &files[pick(files.len())].1;
                change(&mut bytes, other, &mut pick);
            }
            let ended = std::panic::catch_unwind(|| target(&bytes));
            if ended.is_err() {
                let found = std::env::temp_dir().join(format!("liaison-fuzz-{name}-{seed}"));
                fs::write(&found, &bytes).expect("a place to write to");
                panic!(
                    "{name}: LIAISON_SEED={seed} LIAISON_ROUNDS=1, {}",
                    found.display()
                );
            }
        }
    }
}

/// One change: a byte, a piece away, a piece twice, or a piece of another input.
fn change(bytes: &mut Vec<u8>, other: &[u8], pick: &mut impl FnMut(usize) -> usize) {
    let at = pick(bytes.len());
    let length = pick(80).min(bytes.len() - at);
    match pick(5) {
        0 if at < bytes.len() => bytes[at] = pick(256) as u8,
        1 => drop(bytes.drain(at..at + length)),
        2 => {
            let piece = bytes[at..at + length].repeat(1 + pick(30));
            bytes.splice(at..at, piece);
        }
        3 => {
            let from = pick(other.len());
            let to = (from + length).min(other.len());
            bytes.splice(at..at, other[from..to].iter().copied());
        }
        _ => {
            let pieces: [&[u8]; 12] = [
                b"\r\n",
                b"\0",
                b"\xff\xfe",
                b"=?utf-8?B?",
                b"\"",
                b"(",
                b"<",
                b"@",
                b"--",
                b";",
                b"4294967296",
                "\u{202e}".as_bytes(),
            ];
            bytes.splice(at..at, pieces[pick(pieces.len())].iter().copied());
        }
    }
}
