//! Signatures of SNS: whether an envelope was written by SNS, and not by somebody who may send to the queue.
//!
//! Off unless `VERIFY_SNS` is set: the policy of the queue already allows the topics alone to send. Anybody can have SNS sign
//! messages of a topic of their own, so the topics can be named as well (`SNS_TOPIC_ARNS`). A message without a signed
//! envelope (raw message delivery) cannot be verified and is parked while verification is on.
//!
//! A message that waits because the certificate cannot be fetched names SNS as its dependency, and is verified before
//! every further attempt until it passes. One that waits for anything else has passed.

mod certificate;
mod signature;

use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};

use chrono::Utc;
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use url::Url;

pub use self::certificate::SigningKey;
use super::{
    accept::NotAccepted,
    envelope::trimmed,
    message::Delivery,
    route::{ParkReason, Parking},
};
use crate::breakers::{SNS, answer_of};

/// SNS uses a certificate for years. A day is short enough to notice one that was withdrawn.
const CERTIFICATE_AGE: Duration = Duration::from_secs(24 * 60 * 60);
const FETCH: Duration = Duration::from_secs(5);
/// A certificate has two kilobytes.
const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;
/// SNS has one address per region and certificate. More than a few are somebody's attempt to fill the memory.
const MAX_CERTIFICATES: usize = 20;

/// Verifies envelopes and caches the certificates.
#[derive(Debug)]
pub struct SnsVerifier {
    http: reqwest::Client,
    /// None = any topic.
    topics: BTreeSet<String>,
    keys: Mutex<HashMap<Url, (SigningKey, Instant)>>,
}

/// Why a message is not accepted as one of SNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    #[error("it has no SNS envelope with a signature; turn raw message delivery off, or VERIFY_SNS")]
    NoSignature,
    #[error("SignatureVersion is neither 1 nor 2")]
    UnknownVersion,
    #[error("TopicArn is none of SNS_TOPIC_ARNS")]
    ForeignTopic,
    #[error(
        "SigningCertURL is not the address of an SNS certificate (https://sns.REGION.amazonaws.com/….pem)"
    )]
    ForeignCertificate,
    #[error("the certificate cannot be used: it is malformed, has expired, or has no RSA key")]
    UnusableCertificate,
    #[error("the signature does not match the message")]
    Wrong,
}

/// Why a delivery does not pass.
#[derive(Debug)]
pub(super) enum RefusedDelivery {
    /// It may pass later.
    NotNow(NotAccepted),
    /// It never will.
    Never(Parking),
}

impl From<NotSigned> for RefusedDelivery {
    fn from(reason: NotSigned) -> Self {
        Self::Never(ParkReason::InvalidSignature.because(reason.to_string()))
    }
}

impl SnsVerifier {
    /// A verifier of messages of these topics (none: of any topic), without certificates yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(topics: impl IntoIterator<Item = String>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(FETCH)
            .build()?;
        Ok(Self { http, topics: topics.into_iter().collect(), keys: Mutex::default() })
    }

    /// The same with a certificate that need not be fetched.
    pub fn with_certificate(self, url: Url, pem: &[u8]) -> Self {
        let key = SigningKey::of_pem(pem, Utc::now());
        let keys = key.map(|key| (url, (key, Instant::now()))).into_iter().collect();
        Self { keys: Mutex::new(keys), ..self }
    }

    /// Whether the delivery is an envelope that SNS signed.
    ///
    /// # Errors
    /// `Unavailable` when the certificate cannot be fetched now, else how the message is to be parked.
    pub(super) async fn verify(&self, delivery: &Delivery) -> Result<(), RefusedDelivery> {
        let envelope = envelope(delivery).ok_or(NotSigned::NoSignature)?;
        let topic = envelope.get("TopicArn").and_then(Value::as_str).ok_or(NotSigned::NoSignature)?;
        if !self.topics.is_empty() && !self.topics.contains(topic) {
            return Err(NotSigned::ForeignTopic.into());
        }
        let url = signature::certificate_url(&envelope)?;
        let key = answer_of(SNS, self.key(url)).await?;
        Ok(signature::verify(&envelope, &key)?)
    }

    async fn key(&self, url: Url) -> Result<SigningKey, RefusedDelivery> {
        // Held during the fetch, so that a burst of messages fetches the certificate once.
        let mut keys = self.keys.lock().await;
        if let Some((key, fetched)) = keys.get(&url)
            && fetched.elapsed() < CERTIFICATE_AGE
        {
            return Ok(key.clone());
        }
        let pem = self.fetch(&url).await.map_err(|error| {
            let reason =
                if error.is_timeout() { "no answer in time" } else { "the certificate cannot be fetched" };
            RefusedDelivery::NotNow(NotAccepted::Unavailable { dependency: SNS, reason: reason.to_owned() })
        })?;
        let key = SigningKey::of_pem(&pem, Utc::now()).ok_or(NotSigned::UnusableCertificate)?;
        if keys.len() >= MAX_CERTIFICATES {
            keys.clear();
        }
        keys.insert(url, (key.clone(), Instant::now()));
        Ok(key)
    }

    async fn fetch(&self, url: &Url) -> reqwest::Result<Vec<u8>> {
        let mut response = self.http.get(url.clone()).send().await?.error_for_status()?;
        let mut pem = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            pem.extend_from_slice(&chunk);
            if pem.len() > MAX_CERTIFICATE_BYTES {
                break;
            }
        }
        Ok(pem)
    }
}

fn envelope(delivery: &Delivery) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(&delivery.body).ok()?;
    match serde_json::from_str(trimmed(text)).ok()? {
        Value::Object(envelope) => Some(envelope),
        _ => None,
    }
}
