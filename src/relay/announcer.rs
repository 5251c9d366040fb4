//! Publishes a notice of each applied write to the outcome topic, at least once. Writes never wait for it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_sdk_sns::{error::DisplayErrorContext, types::MessageAttributeValue};
use futures_util::{StreamExt, stream};
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    database::in_time,
    outbox::notices::{self, EVENT_TYPE, Notice},
    retry::Backoff,
    trace::{TRACEPARENT, TraceContext},
};

const BATCH: u32 = 50;
const AT_ONCE: usize = 8;
/// Longer than any attempt to publish.
const LEASE: Duration = Duration::from_secs(60);
const ATTEMPT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_secs(2);
/// How long a notice is stored after it was sent, to answer why a receiver got it twice or not at all.
pub const KEPT: Duration = Duration::from_secs(30 * 86_400);
const FORGET_EVERY: Duration = Duration::from_secs(3600);
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(300));

/// Result of one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Notices that the topic took.
    pub sent: usize,
    /// Notices to be tried again.
    pub deferred: usize,
}

/// See the module.
pub struct Announcer {
    store: PgPool,
    sns: aws_sdk_sns::Client,
    topic_arn: String,
}

impl Announcer {
    /// An announcer from the store's notices to the topic.
    pub fn new(store: PgPool, sns: aws_sdk_sns::Client, topic_arn: impl Into<String>) -> Self {
        Self { store, sns, topic_arn: topic_arn.into() }
    }

    /// Sends what is due now, once.
    ///
    /// # Errors
    /// When the store cannot be read or written; a notice that was sent meanwhile is sent again.
    pub async fn step(&self) -> sqlx::Result<Round> {
        let claimed = in_time(notices::claim(&self.store, BATCH, LEASE)).await?;
        let mut told = stream::iter(claimed).map(|notice| self.tell(notice)).buffer_unordered(AT_ONCE);
        let mut round = Round::default();
        while let Some(sent) = told.next().await {
            if sent? { round.sent += 1 } else { round.deferred += 1 }
        }
        Ok(round)
    }

    /// Sends until cancelled; woken by `appended`, which is signalled after every append.
    pub async fn run(self, appended: Arc<Notify>, stop: CancellationToken) {
        let mut forgot: Option<Instant> = None;
        while !stop.is_cancelled() {
            if forgot.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
                forgot = Some(Instant::now());
                self.forget().await;
            }
            let woken = appended.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            match self.step().await {
                Ok(round) if round != Round::default() => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not read outcome notices; retrying"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = woken => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn forget(&self) {
        match notices::forget(&self.store, KEPT).await {
            Ok(0) => {}
            Ok(notices) => tracing::info!(notices, "deleted old outcome notices"),
            Err(error) => tracing::warn!(%error, "could not delete old outcome notices"),
        }
    }

    async fn tell(&self, notice: Notice) -> sqlx::Result<bool> {
        let (write_id, attempt, noms) = (notice.write_id, notice.attempt, notice.case_id.as_str());
        let trace = notice.traceparent.as_deref().and_then(TraceContext::parse);
        let trace_id = trace.map(TraceContext::trace_id);
        let reason = match tokio::time::timeout(ATTEMPT, self.publish(&notice)).await {
            Ok(Ok(())) => {
                in_time(notices::sent(&self.store, &notice)).await?;
                tracing::info!(trace_id, noms, %write_id, outcome = notice.outcome, "outcome notice published");
                metrics::counter!("outcome_notices_sent_total").increment(1);
                return Ok(true);
            }
            Ok(Err(reason)) => reason,
            Err(_) => "no answer in time".to_owned(),
        };
        let delay = BACKOFF.after(notice.attempt.max(0).cast_unsigned().saturating_add(1));
        tracing::warn!(reason, trace_id, noms, %write_id, attempt, delay_ms = delay.as_millis(), "outcome notice not published; retrying");
        metrics::counter!("outcome_notices_deferred_total").increment(1);
        in_time(notices::defer(&self.store, &notice, &reason, delay)).await?;
        Ok(false)
    }

    async fn publish(&self, notice: &Notice) -> Result<(), String> {
        let mut request = self.sns.publish().topic_arn(&self.topic_arn).message(notice.body());
        let traceparent = notice.traceparent.as_deref().map(|value| (TRACEPARENT, value));
        let attributes =
            [("eventType", EVENT_TYPE), ("outcome", &notice.outcome)].into_iter().chain(traceparent);
        for (name, value) in attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            let value = value.build().map_err(|error| error.to_string())?;
            request = request.message_attributes(name, value);
        }
        request.send().await.map(|_| ()).map_err(|error| DisplayErrorContext(&error).to_string())
    }
}
