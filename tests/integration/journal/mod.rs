mod browser;
mod checkpoints;
pub(crate) mod evidence;
mod lag;
mod order;
mod proofs;
mod rights;
mod strays;
mod tamper;
