//! The event samples: read, pointed at the Manage POM Cases of this run, and taken apart for publishing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, ensure};
use serde_json::Value;

/// The origin that the samples are written with.
const PLACEHOLDER: &str = "https://mpc.example";

/// One sample.
pub(crate) struct Sample {
    /// File name.
    pub(crate) file: String,
    /// What its line promises, as written: `Name + Name: in words`.
    pub(crate) leads_to: String,
    /// The names in that promise.
    pub(crate) promised: BTreeSet<String>,
    /// Text to publish: of an SNS envelope its `Message`, else the whole file.
    pub(crate) message: String,
    /// Message attributes to publish it with: name → (type, value).
    pub(crate) attributes: BTreeMap<String, (String, String)>,
}

impl Sample {
    /// The event type that it travels under, if any.
    pub(crate) fn event_type(&self) -> Option<&str> {
        self.attributes.get("eventType").map(|(_, value)| value.as_str())
    }
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
            Ok(take_apart(file, leads_to, text))
        })
        .collect()
}

fn take_apart(file: String, leads_to: String, text: String) -> Sample {
    let names = leads_to.split_once(':').map_or(leads_to.as_str(), |(names, _)| names);
    let promised = names.split('+').map(|name| name.trim().to_owned()).collect();
    let json: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let text_of = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    match text_of(&json, "Message") {
        Some(message) => {
            let given = json.get("MessageAttributes").and_then(Value::as_object);
            let attributes = given
                .into_iter()
                .flatten()
                .filter_map(|(name, attribute)| {
                    Some((name.clone(), (text_of(attribute, "Type")?, text_of(attribute, "Value")?)))
                })
                .collect();
            Sample { file, leads_to, promised, message, attributes }
        }
        None => {
            let attributes = text_of(&json, "eventType")
                .map(|value| ("eventType".to_owned(), ("String".to_owned(), value)))
                .into_iter()
                .collect();
            Sample { file, leads_to, promised, message: text, attributes }
        }
    }
}

/// The line, also of a file that is not JSON on purpose.
fn promise(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"leadsTo\":")?;
    serde_json::Deserializer::from_str(rest).into_iter::<String>().next()?.ok()
}
