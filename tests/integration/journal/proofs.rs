//! Roots and proofs come from the stored subtrees, at every size.

use manage_pom_cases_and_delius::audit::journal::{
    Journal,
    hash::Hash,
    proofs,
    tree::{Frontier, verify_consistency, verify_inclusion},
    verify::VerifyRequest,
};
use sqlx::PgPool;

use crate::helpers::audit::{check_with, enter_until};

/// So many receipts of messages that concern no case, all entered.
async fn log(pool: &PgPool, size: u64) -> Vec<Hash> {
    sqlx::query(
        "insert into message_receipts (message_id, disposition, body_sha256, received_at)
         select 'm' || i, 'notApplicable', '00', now() from generate_series(1, $1) i",
    )
    .bind(size.cast_signed())
    .execute(pool)
    .await
    .unwrap();
    let all = format!("select count(*) = {size} from journal");
    // Batches that end within subtrees, and at their ends.
    enter_until(pool, &Journal::new(pool.clone()).with_batch(37), &all).await;
    let leaves: Vec<Vec<u8>> =
        sqlx::query_scalar("select leaf from journal order by position").fetch_all(pool).await.unwrap();
    let hex = |leaf: Vec<u8>| leaf.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    leaves.into_iter().map(|leaf| Hash::from_hex(&hex(leaf)).unwrap()).collect()
}

#[sqlx::test(migrations = "migrations/store")]
async fn every_leaf_is_proved_to_be_in_the_log_and_the_log_to_have_only_grown(pool: PgPool) {
    let leaves = log(&pool, 600).await;
    let mut tree = Frontier::default();
    let mut roots = vec![tree.root()];
    for leaf in &leaves {
        tree.push(*leaf, |_, _| {});
        roots.push(tree.root());
    }
    let mut connection = pool.acquire().await.unwrap();
    let connection = &mut *connection;
    for size in [1, 15, 16, 17, 255, 256, 257, 300, 512, 599, 600] {
        let root = roots[size as usize];
        assert_eq!(proofs::root(connection, size).await.unwrap(), root, "{size}");
        for position in [1, size / 2 + 1, size] {
            let path = proofs::inclusion(connection, position, size).await.unwrap();
            let leaf = &leaves[position as usize - 1];
            assert!(verify_inclusion(leaf, position - 1, size, &path, &root), "{position} of {size}");
        }
        let path = proofs::consistency(connection, size, 600).await.unwrap();
        assert!(verify_consistency((size, &root), (600, &roots[600]), &path), "{size}");
    }
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_run_since_a_position_recomputes_the_end_and_comes_to_the_same_root(pool: PgPool) {
    log(&pool, 1_500).await;
    let whole = check_with(&pool, &VerifyRequest::default()).await.unwrap();
    let since = VerifyRequest { since: 1_400, ..VerifyRequest::default() };
    let end = check_with(&pool, &since).await.unwrap();
    assert_eq!((whole.from, end.from), (1, 1_025));
    assert_eq!((whole.root, whole.size), (end.root, end.size));
}
