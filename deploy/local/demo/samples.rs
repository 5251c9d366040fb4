//! Reads the event samples and replaces their addresses with that of this run's Manage POM Cases.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, ensure};
use chrono::Utc;
use manage_pom_cases_and_delius::ingest::{Delivery, message};

/// The origin in the sample files.
const PLACEHOLDER: &str = "https://mpc.example";

/// One sample.
pub(crate) struct Sample {
    /// File name.
    pub(crate) file: String,
    /// What its line `leadsTo` says: `Name + Name: in words`.
    pub(crate) leads_to: String,
    /// The names before the colon.
    pub(crate) promised: BTreeSet<String>,
    /// The text, with the addresses of this run.
    pub(crate) text: String,
    /// The event type in its message attributes, if any.
    pub(crate) event_type: Option<String>,
}

/// Reads all samples of a directory by name, with the placeholder origin replaced by `mpc_url`; writes the result
/// to `rewritten` for people to use.
///
/// # Errors
/// When a file cannot be read or written, or does not say what it leads to.
pub(crate) fn load(directory: &Path, mpc_url: &str, rewritten: &Path) -> anyhow::Result<Vec<Sample>> {
    std::fs::create_dir_all(rewritten).with_context(|| format!("while making {}", rewritten.display()))?;
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
        .with_context(|| format!("while listing {}", directory.display()))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    ensure!(!paths.is_empty(), "no .json files in {}", directory.display());
    paths
        .iter()
        .map(|path| {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("while reading {}", path.display()))?;
            let text = text.replace(PLACEHOLDER, mpc_url.trim_end_matches('/'));
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            std::fs::write(rewritten.join(&file), &text)
                .with_context(|| format!("while writing {file} to {}", rewritten.display()))?;
            let leads_to = promise(&text).with_context(|| format!("{file} does not say what it leadsTo"))?;
            Ok(named(file, leads_to, text))
        })
        .collect()
}

fn named(file: String, leads_to: String, text: String) -> Sample {
    let names = leads_to.split_once(':').map_or(leads_to.as_str(), |(names, _)| names);
    let promised = names.split('+').map(|name| name.trim().to_owned()).collect();
    let delivery = Delivery {
        body: text.clone().into_bytes(),
        attributes: BTreeMap::new(),
        sqs_id: None,
        receive_count: 1,
        received_at: Utc::now(),
    };
    let event_type = message::parse(&delivery).1.ok().and_then(|parsed| parsed.event_type);
    Sample { file, leads_to, promised, text, event_type }
}

/// Searches the text, because one sample is not JSON on purpose.
fn promise(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"leadsTo\":")?;
    serde_json::Deserializer::from_str(rest).into_iter::<String>().next()?.ok()
}
