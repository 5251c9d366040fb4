//! A record ready to send: its bytes, their entity tags, and where they came from.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use http::HeaderValue;
use hyper::body::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    case::{NomsNumber, PersonId},
    delius::records::CaseFacts,
};

/// A JSON body with its entity tag.
#[derive(Debug, Clone)]
pub struct Payload {
    /// The body.
    pub bytes: Bytes,
    /// The entity tag, quotes included. Equal bytes have equal tags, on every replica.
    pub etag: HeaderValue,
}

impl Payload {
    /// Serialises a value.
    ///
    /// # Errors
    /// When the value cannot be serialised.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let bytes = Bytes::from(serde_json::to_vec(value)?);
        let digest = Sha256::digest(&bytes);
        let tag: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::try_from(format!("\"{tag}\"")).map_err(serde::ser::Error::custom)?;
        Ok(Self { bytes, etag })
    }
}

/// One person's answers, ready to send.
#[derive(Debug, Clone)]
pub struct RenderedRecord {
    /// The facts as read from Delius.
    pub facts: CaseFacts,
    /// The case record.
    pub record: Payload,
    /// The MAPPA details, when there is a registration.
    pub mappa: Option<Payload>,
    /// The risk of serious harm, when there is one.
    pub rosh: Option<Payload>,
    /// When the read of Delius began.
    pub loaded_at: DateTime<Utc>,
    /// Invalidations up to this number are contained in it.
    pub(super) generation: i64,
}

impl RenderedRecord {
    pub(super) fn new(
        facts: CaseFacts,
        loaded_at: DateTime<Utc>,
        generation: i64,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            record: Payload::of(&facts.record)?,
            mappa: facts.mappa.as_ref().map(Payload::of).transpose()?,
            rosh: facts.record.rosh.as_ref().map(Payload::of).transpose()?,
            facts,
            loaded_at,
            generation,
        })
    }

    /// Time since the read of Delius began.
    pub fn age(&self) -> Duration {
        (Utc::now() - self.loaded_at).to_std().unwrap_or_default()
    }

    pub(super) fn noms(&self) -> Option<&NomsNumber> {
        self.facts.record.noms_id.as_ref()
    }

    /// Whether this record is of that person.
    pub(super) fn is(&self, person: &PersonId) -> bool {
        match person {
            PersonId::Crn(crn) => *crn == self.facts.record.crn,
            PersonId::Noms(noms) => self.noms() == Some(noms),
        }
    }
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The memory of this replica.
    Memory,
    /// The store.
    Store,
    /// Delius, now.
    Delius,
    /// Cached, and no longer known to be current, because Delius did not answer.
    Stale,
}

impl Origin {
    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Store => "store",
            Self::Delius => "delius",
            Self::Stale => "stale",
        }
    }
}

/// The answer to a read of one person.
#[derive(Debug, Clone)]
pub enum RecordAnswer {
    Found(Arc<RenderedRecord>, Origin),
    /// There is no such person.
    NotFound,
    /// Several people in Delius share the NOMS number that was asked for.
    Shared,
}

impl RecordAnswer {
    /// The answer for `person`, given the record that was found.
    pub(super) fn to(person: &PersonId, document: Arc<RenderedRecord>, origin: Origin) -> Self {
        if matches!(person, PersonId::Noms(_)) && document.facts.noms_shared {
            Self::Shared
        } else {
            Self::Found(document, origin)
        }
    }
}
