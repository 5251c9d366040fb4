//! Compares the tree, while it grows, with every checkpoint: those of the store and those kept outside.

use sqlx::PgConnection;

use super::{FindingKind, VerifyFinding, VerifyRequest};
use crate::audit::journal::{checkpoint::Checkpoint, hash::Hash, tree::Frontier};

/// Checkpoints in order of their size, and how far they are compared.
#[derive(Debug, Default)]
pub(super) struct CheckpointsLeft {
    /// Size, root, and whether it was kept outside.
    all: Vec<(u64, Hash, bool)>,
    compared: usize,
    agrees: u64,
}

impl CheckpointsLeft {
    /// The checkpoints of more than `start` leaves. Finds a stored one whose signature is wrong.
    pub(super) async fn load(
        connection: &mut PgConnection,
        request: &VerifyRequest,
        start: u64,
    ) -> sqlx::Result<Result<Self, VerifyFinding>> {
        let stored: Vec<(i64, String)> =
            sqlx::query_as("select size, note from checkpoints where size > $1 order by size")
                .bind(start.cast_signed())
                .fetch_all(connection)
                .await?;
        let mut all = vec![];
        for (size, note) in stored {
            let forged = || VerifyFinding::at(size, FindingKind::CheckpointForged);
            let checkpoint = match request.verifiers.as_slice() {
                [] => Checkpoint::parse(&note),
                verifiers => Checkpoint::verify(&note, verifiers),
            };
            match checkpoint {
                Ok(checkpoint) if checkpoint.size == size.cast_unsigned() => {
                    all.push((checkpoint.size, checkpoint.root, false));
                }
                _ => return Ok(Err(forged())),
            }
        }
        let outside = request.kept_outside.iter().filter(|kept| kept.size > start);
        all.extend(outside.map(|kept| (kept.size, kept.root, true)));
        all.sort_by_key(|(size, _, outside)| (*size, *outside));
        Ok(Ok(Self { all, compared: 0, agrees: start }))
    }

    /// Compares the checkpoints of the size that the tree has now.
    pub(super) fn compare(&mut self, tree: &Frontier) -> Result<(), VerifyFinding> {
        while let Some((size, root, _)) = self.all.get(self.compared)
            && *size == tree.size()
        {
            if *root != tree.root() {
                let kind = FindingKind::Rewritten { agrees: self.agrees };
                return Err(VerifyFinding::at(self.agrees.cast_signed() + 1, kind));
            }
            self.agrees = *size;
            self.compared += 1;
        }
        Ok(())
    }

    /// A checkpoint of more leaves than the log has.
    pub(super) fn beyond(&self, size: u64) -> Option<VerifyFinding> {
        let (larger, _, _) = self.all.get(self.compared)?;
        Some(VerifyFinding::at(size.cast_signed() + 1, FindingKind::CutOff { size: *larger }))
    }

    /// How many agreed: of the store, and of those kept outside.
    pub(super) fn agreed(&self) -> (usize, usize) {
        let outside = self.all[..self.compared].iter().filter(|(_, _, outside)| *outside).count();
        (self.compared - outside, outside)
    }
}
