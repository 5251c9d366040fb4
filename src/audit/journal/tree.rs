//! The Merkle tree of RFC 9162, section 2.1: which complete subtrees a root, an inclusion proof and a consistency proof
//! are made of, and how proofs are verified. Pure: [`super::nodes`] reads the hashes from the store.
//!
//! No crate is used for it. `tlog_tiles` and `signed_note` would bring a second implementation of Ed25519 and SHA-2
//! beside aws-lc-rs, which is the only crypto provider here, and a synchronous reader of hashes, where ours come from
//! PostgreSQL; `ct-merkle` keeps the whole tree in memory. What is needed of them are the 100 lines below, which are
//! held against the vectors of an independent implementation (`tests/vectors/merkle.json`).

use std::ops::Range;

use super::hash::Hash;

/// A complete subtree: the 2^`level` leaves from leaf `index` · 2^`level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    pub level: u32,
    pub index: u64,
}

/// The complete subtrees, left to right, that cover leaves `range`. Its start must be a multiple of the power of two
/// that its length reaches: ranges from [`inclusion`] and [`consistency`] are, and so is every range from leaf 0.
pub fn complete(range: &Range<u64>) -> Vec<Node> {
    let (mut start, mut left) = (range.start, range.end - range.start);
    let mut nodes = vec![];
    while left > 0 {
        let level = left.ilog2();
        nodes.push(Node { level, index: start >> level });
        start += 1 << level;
        left -= 1 << level;
    }
    nodes
}

/// The hash over the hashes of [`complete`] subtrees; of none: the root of an empty tree.
pub fn fold(hashes: &[Hash]) -> Hash {
    let mut right_to_left = hashes.iter().rev();
    match right_to_left.next() {
        Some(last) => right_to_left.fold(*last, |right, left| Hash::parent(left, &right)),
        None => Hash::of(b""),
    }
}

/// The largest power of two below `size`.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// The leaves under each hash of the proof that leaf `index` is in the tree of `size` leaves, bottom up.
pub fn inclusion(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut path = vec![];
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(middle..end);
            end = middle;
        } else {
            path.push(start..middle);
            start = middle;
        }
    }
    path.reverse();
    path
}

/// The leaves under each hash of the proof that the tree of `new` leaves begins with the tree of `old` leaves, bottom
/// up. Empty when either is empty or both are the same.
pub fn consistency(old: u64, new: u64) -> Vec<Range<u64>> {
    let mut path = vec![];
    if old == 0 || old >= new {
        return path;
    }
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            path.push(middle..end);
            end = middle;
        } else {
            path.push(start..middle);
            start = middle;
        }
    }
    // The old tree itself is known to whoever checks; a part of it is not.
    if start > 0 {
        path.push(start..end);
    }
    path.reverse();
    path
}

/// Whether the path proves that the leaf is at `index` of the tree (RFC 9162, section 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = Hash::parent(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = Hash::parent(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether the path proves that the new tree begins with the old one (RFC 9162, section 2.1.4.2). Every tree begins with
/// the empty one.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), path: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    match old_size {
        0 => return path.is_empty() && *old_root == Hash::of(b""),
        size if size == new_size => return path.is_empty() && old_root == new_root,
        size if size > new_size || path.is_empty() => return false,
        _ => {}
    }
    let is_complete = old_size.is_power_of_two();
    let mut hashes = is_complete.then_some(old_root).into_iter().chain(path).copied();
    let Some(first) = hashes.next() else { return false };
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for sibling in hashes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old_hash = Hash::parent(&sibling, &old_hash);
            new_hash = Hash::parent(&sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_hash = Hash::parent(&new_hash, &sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    last == 0 && old_hash == *old_root && new_hash == *new_root
}

/// A tree that grows leaf by leaf and keeps no more than the roots of its complete subtrees.
#[derive(Debug, Clone, Default)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The tree of `size` leaves whose [`complete`] subtrees have these hashes.
    pub fn new(size: u64, subtrees: Vec<Hash>) -> Self {
        Self { size, subtrees }
    }

    /// Appends a leaf; `completed` is given every subtree that it completes, the leaf itself excepted, bottom up.
    pub fn push(&mut self, leaf: Hash, mut completed: impl FnMut(Node, Hash)) {
        let mut hash = leaf;
        for level in 1..=self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = Hash::parent(&left, &hash);
                completed(Node { level, index: self.size >> level }, hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its root.
    pub fn root(&self) -> Hash {
        fold(&self.subtrees)
    }
}

#[cfg(test)]
mod tests;
