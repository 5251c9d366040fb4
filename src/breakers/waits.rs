//! For which dependency a piece of work waits: when its time is over, that dependency is to blame.

use std::{cell::Cell, time::Duration};

use super::Dependency;

tokio::task_local! {
    static WAITS_FOR: Cell<Option<Dependency>>;
}

/// The answer of a dependency. Whoever [limits](within) the work learns that it waited for that one.
pub async fn answer_of<T>(dependency: Dependency, answer: impl Future<Output = T>) -> T {
    let _waits = Waits::for_answer_of(dependency);
    answer.await
}

/// The result of the work; when it takes longer than the limit, the dependency that it waited for, if any.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, Option<Dependency>> {
    WAITS_FOR
        .scope(Cell::new(None), async {
            let mut work = std::pin::pin!(work);
            match tokio::time::timeout(limit, &mut work).await {
                Ok(result) => Ok(result),
                // Asked before the work is dropped, which ends every wait.
                Err(_) => Err(WAITS_FOR.with(Cell::get)),
            }
        })
        .await
}

/// Ends with the wait, also when that is given up.
struct Waits(Option<Dependency>);

impl Waits {
    fn for_answer_of(dependency: Dependency) -> Self {
        Self(WAITS_FOR.try_with(|waits| waits.replace(Some(dependency))).ok().flatten())
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        // Without a limit nobody asks.
        let _ = WAITS_FOR.try_with(|waits| waits.set(self.0));
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::breakers::{AUTH, MPC};

    #[tokio::test]
    async fn work_that_takes_too_long_names_the_dependency_that_it_waited_for() {
        let now = Duration::ZERO;
        assert_eq!(within(now, pending::<()>()).await, Err(None));
        assert_eq!(within(now, answer_of(MPC, pending::<()>())).await, Err(Some(MPC)));
        let token_first = answer_of(MPC, answer_of(AUTH, pending::<()>()));
        assert_eq!(within(now, token_first).await, Err(Some(AUTH)));
        let own_fault = async {
            answer_of(MPC, async {}).await;
            pending::<()>().await;
        };
        assert_eq!(within(now, own_fault).await, Err(None), "the answer came");
        assert_eq!(answer_of(MPC, async { 1 }).await, 1, "without a limit");
    }
}
