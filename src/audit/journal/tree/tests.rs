#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::single_range_in_vec_init)]

use serde::Deserialize;

use super::*;

/// Roots and inclusion proofs made by another implementation, in Python; see its `source`.
#[derive(Deserialize)]
struct Vectors {
    leaves: Vec<String>,
    roots: Vec<String>,
    inclusion: Vec<Inclusion>,
}

#[derive(Deserialize)]
struct Inclusion {
    index: u64,
    size: u64,
    path: Vec<String>,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../../tests/vectors/merkle.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
        .collect()
}

fn hash(hex: &str) -> Hash {
    Hash::from_hex(hex).unwrap()
}

fn leaves() -> Vec<Hash> {
    vectors().leaves.iter().map(|leaf| Hash::leaf(&[], &bytes(leaf))).collect()
}

/// The hash of a complete subtree, from its leaves.
fn node(leaves: &[Hash], node: Node) -> Hash {
    match node.level {
        0 => leaves[node.index as usize],
        level => {
            let child = |side| Node { level: level - 1, index: node.index * 2 + side };
            Hash::parent(&self::node(leaves, child(0)), &self::node(leaves, child(1)))
        }
    }
}

fn over(leaves: &[Hash], range: &Range<u64>) -> Hash {
    fold(&complete(range).into_iter().map(|it| node(leaves, it)).collect::<Vec<_>>())
}

fn path(leaves: &[Hash], ranges: &[Range<u64>]) -> Vec<Hash> {
    ranges.iter().map(|range| over(leaves, range)).collect()
}

#[test]
fn roots_are_those_of_another_implementation() {
    let (leaves, roots) = (leaves(), vectors().roots);
    for (root, size) in roots.iter().zip(1..) {
        assert_eq!(over(&leaves, &(0..size)), hash(root), "{size}");
    }
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(over(&leaves, &(0..0)), hash(empty));
}

#[test]
fn inclusion_proofs_are_those_of_another_implementation() {
    let (leaves, vectors) = (leaves(), vectors());
    assert!(!vectors.inclusion.is_empty());
    for Inclusion { index, size, path: expected } in vectors.inclusion {
        let expected: Vec<Hash> = expected.iter().map(|it| hash(it)).collect();
        assert_eq!(path(&leaves, &inclusion(index, size)), expected, "{index} of {size}");
        let root = hash(&vectors.roots[size as usize - 1]);
        assert!(verify_inclusion(&leaves[index as usize], index, size, &expected, &root));
    }
}

#[test]
fn proofs_are_those_of_the_example_in_the_rfc() {
    // RFC 9162, 2.1.5, leaves d0 to d6: a..f, j are leaves, g = d0-d1, h = d2-d3, i = d4-d5, k = d0-d3, l = d4-d6.
    assert_eq!(inclusion(0, 7), [1..2, 2..4, 4..7]);
    assert_eq!(inclusion(3, 7), [2..3, 0..2, 4..7]);
    assert_eq!(inclusion(4, 7), [5..6, 6..7, 0..4]);
    assert_eq!(inclusion(6, 7), [4..6, 0..4]);
    assert_eq!(consistency(3, 7), [2..3, 3..4, 0..2, 4..7]);
    assert_eq!(consistency(4, 7), [4..7]);
    assert_eq!(consistency(6, 7), [4..6, 6..7, 0..4]);
}

#[test]
fn every_proof_is_accepted_and_no_other_leaf_place_size_or_path() {
    let leaves = leaves();
    let root = |size| over(&leaves, &(0..size));
    let other = Hash::of(b"other");
    for size in 1..=leaves.len() as u64 {
        for index in 0..size {
            let proof = path(&leaves, &inclusion(index, size));
            let leaf = &leaves[index as usize];
            assert!(verify_inclusion(leaf, index, size, &proof, &root(size)));
            assert!(!verify_inclusion(&other, index, size, &proof, &root(size)));
            assert!(!verify_inclusion(leaf, index + size, size, &proof, &root(size)));
            for wrong in (0..size).filter(|wrong| *wrong != index) {
                assert!(!verify_inclusion(leaf, wrong, size, &proof, &root(size)), "{index} {wrong} {size}");
            }
            for (place, _) in proof.iter().enumerate() {
                let mut wrong = proof.clone();
                wrong[place] = other;
                assert!(!verify_inclusion(leaf, index, size, &wrong, &root(size)));
                wrong.remove(place);
                assert!(!verify_inclusion(leaf, index, size, &wrong, &root(size)));
            }
            let longer = [proof, vec![other]].concat();
            assert!(!verify_inclusion(leaf, index, size, &longer, &root(size)));
        }
    }
}

#[test]
fn a_log_that_grew_is_consistent_and_one_that_was_rewritten_is_not() {
    let leaves = leaves();
    let mut rewritten = leaves.clone();
    rewritten[1] = Hash::of(b"other");
    for new in 1..=leaves.len() as u64 {
        for old in 0..=new {
            let (old_root, new_root) = (over(&leaves, &(0..old)), over(&leaves, &(0..new)));
            let proof = path(&leaves, &consistency(old, new));
            assert!(verify_consistency((old, &old_root), (new, &new_root), &proof), "{old} {new}");
            if old > 1 {
                let proof = path(&rewritten, &consistency(old, new));
                let new_root = over(&rewritten, &(0..new));
                assert!(!verify_consistency((old, &old_root), (new, &new_root), &proof), "{old} {new}");
            }
            if old > 0 && old < new {
                assert!(!verify_consistency((new, &new_root), (old, &old_root), &proof));
                let longer = [proof, vec![new_root]].concat();
                assert!(!verify_consistency((old, &old_root), (new, &new_root), &longer));
            }
        }
    }
}

#[test]
fn a_tree_that_grows_leaf_by_leaf_has_the_same_roots_and_subtrees() {
    let leaves = leaves();
    let mut growing = Frontier::default();
    for (leaf, size) in leaves.iter().zip(1_u64..) {
        growing.push(*leaf, |it, hash| {
            assert!(it.level > 0);
            assert_eq!(hash, node(&leaves, it), "{it:?}");
        });
        assert_eq!((growing.size(), growing.root()), (size, over(&leaves, &(0..size))));
    }
    let subtrees = complete(&(0..13)).into_iter().map(|it| node(&leaves, it)).collect();
    let mut resumed = Frontier::new(13, subtrees);
    resumed.push(leaves[13], |_, _| {});
    assert_eq!(resumed.root(), over(&leaves, &(0..14)));
}
