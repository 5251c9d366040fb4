//! `publish FILE…`: publishes message files to an SNS topic, as Manage POM Cases would.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use aws_sdk_sns::{error::DisplayErrorContext, types::MessageAttributeValue};
use clap::Args;
use serde_json::Value;

use crate::app::{
    Failure,
    settings::{self, check},
};

/// Arguments of `publish`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  publish event-samples/allocation-changed.json")]
pub struct Publish {
    /// Message files: an SNS envelope (its Message and MessageAttributes are published) or the bare event.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The topic
    #[arg(long, env = "TOPIC_ARN")]
    topic_arn: Option<String>,
}

impl Publish {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let topic_arn = check::topic("TOPIC_ARN", self.topic_arn.as_deref())?;
        let sns = aws_sdk_sns::Client::new(&settings::aws().await);
        for file in &self.files {
            let body = tokio::fs::read_to_string(file)
                .await
                .with_context(|| format!("while reading {}", file.display()))?;
            let id = publish(&sns, topic_arn, &body)
                .await
                .with_context(|| format!("while publishing {}", file.display()))?;
            println!("{}: published as {id}", file.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Publishes one message with its `eventType` attribute and gives the `MessageId` of SNS. Of an envelope the inner
/// message and its attributes are published; anything else goes out as it is.
///
/// # Errors
/// When SNS refuses it or cannot be reached.
pub async fn publish(sns: &aws_sdk_sns::Client, topic_arn: &str, body: &str) -> anyhow::Result<String> {
    let (message, attributes) = unwrap_envelope(body);
    let mut request = sns.publish().topic_arn(topic_arn).message(message);
    for (name, value) in attributes {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
        request = request.message_attributes(name, value);
    }
    let published = request
        .send()
        .await
        .map_err(|error| anyhow::anyhow!("{}", DisplayErrorContext(&error)))
        .context("SNS did not take it; check TOPIC_ARN and AWS_ENDPOINT_URL")?;
    published.message_id.context("SNS gave no MessageId")
}

fn unwrap_envelope(body: &str) -> (String, Vec<(String, String)>) {
    let parsed: Option<Value> = serde_json::from_str(body).ok();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let Some(parsed) = parsed else { return (body.to_owned(), vec![]) };
    let Some(message) = parsed.get("Message").and_then(text) else {
        let own = parsed.get("eventType").and_then(text);
        return (body.to_owned(), own.map(|own| ("eventType".to_owned(), own)).into_iter().collect());
    };
    let attributes = parsed.get("MessageAttributes").and_then(Value::as_object).into_iter().flatten();
    let attributes =
        attributes.filter_map(|(name, value)| Some((name.clone(), value.get("Value").and_then(text)?)));
    (message, attributes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_published_as_its_message_with_its_attributes() {
        let envelope = r#"{"Type":"Notification","MessageId":"1","Message":"{\"a\":1}",
            "MessageAttributes":{"eventType":{"Type":"String","Value":"x.y"}}}"#;
        let attributes = vec![("eventType".to_owned(), "x.y".to_owned())];
        assert_eq!(unwrap_envelope(envelope), (r#"{"a":1}"#.to_owned(), attributes.clone()));
        let bare = r#"{"eventType":"x.y"}"#;
        assert_eq!(unwrap_envelope(bare), (bare.to_owned(), attributes));
        assert_eq!(unwrap_envelope("broken {"), ("broken {".to_owned(), vec![]));
    }
}
