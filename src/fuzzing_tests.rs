//! The committed corpus, and many small changes of it, through every fuzz target: so the targets keep compiling, and a
//! finding that was added to the corpus stays fixed.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use super::*;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 5] = [
    ("envelope", envelope),
    ("event", event),
    ("mpc_answer", mpc_answer),
    ("token", token),
    ("key_set", key_set),
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).unwrap()).collect()
}

/// One small change of the kind that a fuzzer makes.
fn mutated(random: &mut fastrand::Rng, seed: &[u8]) -> Vec<u8> {
    const TOKENS: [&[u8]; 12] = [
        b"null",
        b"{}",
        b"[]",
        b"\"",
        b",",
        b"-1",
        b"1e999",
        b"\xff",
        b"\\u0000",
        b".",
        b"=",
        b"\xef\xbb\xbf",
    ];
    let mut bytes = seed.to_vec();
    for _ in 0..random.usize(1..=3) {
        let at = random.usize(0..=bytes.len());
        match random.u8(0..5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(0..8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.truncate(at),
            3 => {
                let end = random.usize(at..=bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            _ => drop(bytes.splice(at..at, TOKENS[random.usize(0..TOKENS.len())].iter().copied())),
        }
    }
    bytes
}

#[test]
fn the_corpus_and_small_changes_of_it_break_no_promise() {
    for (target, run) in TARGETS {
        let seeds = corpus(target);
        assert!(seeds.len() >= 3, "{target}");
        seeds.iter().for_each(|seed| run(seed));
        let mut random = fastrand::Rng::with_seed(20_261_125);
        for _ in 0..500 {
            for seed in &seeds {
                run(&mutated(&mut random, seed));
            }
        }
    }
}
