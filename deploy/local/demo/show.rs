//! What the demonstration prints.

use std::path::Path;

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::process::Command;

use super::{Arguments, Published};

/// The sample, what was expected and what happened.
pub(crate) fn sample(one: &Published) {
    let Published { sample, finding, .. } = one;
    let mark = if one.is_kept() { "✓" } else { "✗" };
    let event_type = sample.event_type.as_deref().unwrap_or("no event type");
    let case = finding.case.as_deref().unwrap_or("no case");
    println!("\n{mark} {}  {event_type}  {case}", sample.file);
    println!("    expected  {}", sample.leads_to);
    if finding.names.is_empty() && finding.told.is_empty() {
        println!("    actual    nothing yet (message {})", one.message_id);
        return;
    }
    let names: Vec<_> = finding.names.iter().map(String::as_str).collect();
    println!("    actual    {}", names.join(" + "));
    for line in &finding.told {
        println!("              {line}");
    }
}

/// The history of one case, as an auditor would print it.
pub(crate) async fn history(service: &Path, noms: &str) -> anyhow::Result<()> {
    println!("\n$ {} history {noms}", service.file_name().unwrap_or_default().to_string_lossy());
    let output = Command::new(service)
        .args(["history", noms])
        .output()
        .await
        .with_context(|| format!("while running {}", service.display()))?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    ensure!(
        output.status.success(),
        "history {noms} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// Reads a record by both identifiers and prints `curl` lines that do the same.
pub(crate) async fn reads(arguments: &Arguments) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let credentials = STANDARD.encode(format!("{}:{}", arguments.reader_id, arguments.reader_secret));
    let grant: Value = http
        .post(format!("{}/oauth/token", arguments.auth_url))
        .header("authorization", format!("Basic {credentials}"))
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await?
        .error_for_status()?
        .json()
        .await
        .context("while asking for a token")?;
    let token = grant.get("access_token").and_then(Value::as_str).context("no token in the answer")?;
    println!("\nThe read API, with a token that is valid for one hour:\n\nexport TOKEN='{token}'");
    let mut records = Vec::new();
    for path in ["case-records/X100001", "case-records/A1001AA", "case-records/X100001/risks/mappa"] {
        let url = format!("{}/{path}", arguments.api_url);
        println!("\ncurl -sH \"Authorization: Bearer $TOKEN\" {url}");
        let answer =
            http.get(&url).bearer_auth(token).send().await.with_context(|| format!("while reading {url}"))?;
        let etag = answer.headers().get("etag").and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let (status, body) = (answer.status(), answer.text().await?);
        println!("{body}");
        ensure!(status.is_success(), "{url} answered {status}");
        records.push((url, etag.with_context(|| format!("{path} has no entity tag"))?));
    }
    if let Some((url, etag)) = records.first() {
        println!("\ncurl -siH \"Authorization: Bearer $TOKEN\" -H 'If-None-Match: {etag}' {url}");
        let answer = http.get(url).bearer_auth(token).header("if-none-match", etag).send().await?;
        println!("{}", answer.status());
        ensure!(
            answer.status().as_u16() == 304,
            "expected 304 for a matching entity tag, got {}",
            answer.status()
        );
    }
    println!(
        "\ncurl -sH \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\\n     \
         -d '[\"X100001\", \"A1003AA\"]' {}/case-records",
        arguments.api_url
    );
    audit(arguments, &http, token).await
}

/// An auditor's questions over HTTP. The token is the same: this client of the stand-in has every role.
async fn audit(arguments: &Arguments, http: &reqwest::Client, token: &str) -> anyhow::Result<()> {
    println!(
        "\nAn auditor's questions (roles ROLE_PROBATION_API__MANAGE_POM_CASES__AUDIT and ROLE_SAR_DATA_ACCESS; this token has both):\n"
    );
    let history = format!("{}/case-records/A1001AA/history", arguments.api_url);
    let subject = format!("{}/subject-access-request?prn=A1001AA", arguments.api_url);
    for (url, form, more) in [
        (&history, "application/json", "?as_of=2026-08-10"),
        (&history, "text/csv", ""),
        (&history, "text/html", ""),
        (&subject, "application/json", ""),
    ] {
        let url = format!("{url}{more}");
        let file = match form {
            "text/html" => " >history.html",
            _ => "",
        };
        println!("curl -sH \"Authorization: Bearer $TOKEN\" -H 'Accept: {form}' '{url}'{file}");
        let answer = http.get(&url).bearer_auth(token).header("accept", form).send().await?;
        let (status, body) = (answer.status(), answer.text().await?);
        println!("{status}, {} bytes of {form}\n", body.len());
        ensure!(status.as_u16() == 200, "{url} answered {status}: {body}");
    }
    Ok(())
}
