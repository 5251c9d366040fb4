//! Settings of the queues.

use clap::Args;

use super::check::{both, given, queue};
use crate::{app::Failure, ingest::sns::SnsVerifier};

/// Settings of the queues.
#[derive(Debug, Clone, Args)]
pub(crate) struct QueueSettings {
    /// SQS queue of domain events (role ingest)
    #[arg(long, env = "QUEUE_URL")]
    pub(in crate::app) queue_url: Option<String>,
    /// Second queue for the change feed; without it the feed is read from QUEUE_URL (role ingest)
    #[arg(long, env = "CHANGE_FEED_QUEUE_URL")]
    pub(in crate::app) change_feed_queue_url: Option<String>,
    /// Queue of the bulk handover update; without it a bulk run works its messages off by itself (role ingest)
    #[arg(long, env = "BULK_QUEUE_URL")]
    pub(in crate::app) bulk_queue_url: Option<String>,
    /// Verify the SNS signature of every message of QUEUE_URL and CHANGE_FEED_QUEUE_URL; a message that does not pass is
    /// parked as InvalidSignature. Needs subscriptions without raw message delivery, and https access to
    /// sns.REGION.amazonaws.com (role ingest)
    #[arg(long, env = "VERIFY_SNS")]
    pub(in crate::app) verify_sns: bool,
    /// Topics whose messages pass VERIFY_SNS, separated by commas; without it those of any topic, and anybody with an AWS
    /// account has one (role ingest)
    #[arg(long, env = "SNS_TOPIC_ARNS", value_delimiter = ',')]
    pub(in crate::app) sns_topic_arns: Vec<String>,
}

impl QueueSettings {
    /// Whether the settings can be the addresses of queues.
    pub(crate) fn checked(&self) -> Result<(), Failure> {
        let optional = |name, url: &Option<String>| {
            given(url.as_deref()).map(|url| queue(name, Some(url)).map(|_| ())).transpose()
        };
        let live = queue("QUEUE_URL", self.queue_url.as_deref());
        let feed = optional("CHANGE_FEED_QUEUE_URL", &self.change_feed_queue_url);
        let bulk = optional("BULK_QUEUE_URL", &self.bulk_queue_url);
        both(live, both(feed, both(bulk, self.bulk_is_apart()))).map(|_| ())
    }

    /// Messages of our own have no signature.
    fn bulk_is_apart(&self) -> Result<(), Failure> {
        let bulk = given(self.bulk_queue_url.as_deref());
        if self.verify_sns && bulk.is_some() && bulk == given(self.queue_url.as_deref()) {
            let reason =
                "is QUEUE_URL, and VERIFY_SNS refuses what SNS has not signed; use a queue of its own";
            return Err(Failure::setting("BULK_QUEUE_URL", reason));
        }
        Ok(())
    }

    pub(in crate::app) fn verifier(&self) -> Result<Option<SnsVerifier>, Failure> {
        if !self.verify_sns {
            return Ok(None);
        }
        let topics =
            self.sns_topic_arns.iter().map(|arn| arn.trim().to_owned()).filter(|arn| !arn.is_empty());
        let topics: Vec<String> = topics.collect();
        if topics.is_empty() {
            tracing::warn!("VERIFY_SNS without SNS_TOPIC_ARNS: a message of anybody's topic passes");
        }
        SnsVerifier::new(topics).map(Some).map_err(|error| anyhow::Error::new(error).into())
    }

    /// Each queue once, whether this process consumes it or not.
    pub(in crate::app) fn known(&self) -> Vec<&str> {
        let mut known = vec![];
        for url in [&self.queue_url, &self.change_feed_queue_url, &self.bulk_queue_url] {
            known.extend(given(url.as_deref()).filter(|url| !known.contains(url)));
        }
        known
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn settings(live: Option<&str>, feed: Option<&str>, bulk: Option<&str>) -> QueueSettings {
        QueueSettings {
            queue_url: live.map(Into::into),
            change_feed_queue_url: feed.map(Into::into),
            bulk_queue_url: bulk.map(Into::into),
            verify_sns: false,
            sns_topic_arns: vec![],
        }
    }

    #[test]
    fn messages_of_our_own_do_not_share_a_queue_whose_messages_sns_has_to_sign() {
        let shared = settings(Some("https://sqs.example/live"), None, Some("https://sqs.example/live"));
        assert!(shared.checked().is_ok());
        assert!(QueueSettings { verify_sns: true, ..shared }.checked().is_err());
    }

    #[test]
    fn a_process_that_consumes_none_looks_after_each_queue_that_it_is_told_of() {
        assert_eq!(settings(Some("live"), Some(" "), Some("bulk")).known(), ["live", "bulk"]);
        assert_eq!(settings(Some("live"), Some("live"), Some("live")).known(), ["live"]);
        let without_live = settings(None, Some("feed"), Some("bulk"));
        assert_eq!(without_live.known(), ["feed", "bulk"]);
        let none = settings(None, None, Some(""));
        assert_eq!(none.known(), [""; 0]);
    }
}
