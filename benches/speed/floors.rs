//! What the machine can do at most: the programs that measure it.

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use crate::ground::Ground;

/// A row of about the size of an event.
const BODY: &str = r#"{"eventType": "HandoverDatesChanged", "provenance": {"messageId": "5eed0000-0000-4000-8000-000000000001", "occurredAt": "2026-07-01T09:00:00Z", "receivedAt": "2026-07-01T09:00:01Z", "message": {"body": "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789", "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, "codeVersion": "0.1.0"}, "handoverDate": "2027-01-01", "handoverStartDate": "2027-01-01"}"#;

/// Commits per second of eight clients, each of which inserts one jsonb row per transaction over TCP.
pub(crate) async fn commits_per_second(ground: &Ground, seconds: u32) -> anyhow::Result<f64> {
    let pool = ground.create("speed_floor", None).await?;
    sqlx::raw_sql(
        "create table floor (id bigint generated always as identity primary key, body jsonb not null)",
    )
    .execute(&pool)
    .await?;
    pool.close().await;
    ground.settle().await?;
    let script = ground.state.join("floor.sql");
    std::fs::write(&script, format!("insert into floor (body) values ('{BODY}');\n"))?;
    let (base, _) = ground.server_url.rsplit_once('/').unwrap_or_default();
    let output = Command::new(ground.postgres_bin.join("pgbench"))
        .args(["-n", "-M", "prepared", "-c", "8", "-j", "2", "-T", &seconds.to_string(), "-f"])
        .arg(&script)
        .arg(format!("{base}/speed_floor"))
        .output()
        .context("while running pgbench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next());
    ground.drop("speed_floor").await?;
    tps.and_then(|tps| tps.parse().ok())
        .with_context(|| format!("pgbench gave no figure: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// Requests per second and the median latency in milliseconds, as `wrk` measured them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
}

/// Runs `wrk` with a script.
pub(crate) fn wrk(url: &str, connections: u32, seconds: u32, script: &Path) -> anyhow::Result<Load> {
    let threads = if connections < 8 { 1 } else { 2 };
    let output = Command::new("wrk")
        .args([
            &format!("-t{threads}"),
            &format!("-c{connections}"),
            &format!("-d{seconds}s"),
            "--latency",
            "-s",
        ])
        .arg(script)
        .arg(url)
        .output()
        .context("while running wrk")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(!text.contains("Non-2xx"), "wrk met answers that are no success: {text}");
    let field = |name: &str| {
        text.lines().find_map(|line| line.trim().strip_prefix(name).map(|rest| rest.trim().to_owned()))
    };
    let per_second = field("Requests/sec:").and_then(|rate| rate.parse().ok());
    let p50_ms = field("50%").and_then(|latency| milliseconds(&latency));
    let (Some(per_second), Some(p50_ms)) = (per_second, p50_ms) else {
        anyhow::bail!("wrk gave no figures: {text}{}", String::from_utf8_lossy(&output.stderr))
    };
    Ok(Load { per_second, p50_ms })
}

fn milliseconds(text: &str) -> Option<f64> {
    let units = [("us", 0.001), ("ms", 1.0), ("s", 1000.0)];
    units.iter().find_map(|(unit, factor)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor))
}

/// A running nginx that answers one static file.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) url: String,
}

impl Nginx {
    /// Serves these bytes as JSON, with as many workers as there are cores and no access log.
    pub(crate) fn serve(state: &Path, body: &[u8]) -> anyhow::Result<Self> {
        let root: PathBuf = state.join("nginx");
        std::fs::create_dir_all(root.join("static"))?;
        std::fs::write(root.join("static/record.json"), body)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let root = root.display();
        std::fs::write(
            state.join("nginx/nginx.conf"),
            format!(
                "worker_processes auto; daemon off; pid {root}/pid; error_log {root}/error.log;\n\
                 user root; events {{ worker_connections 1024; }}\n\
                 http {{ access_log off; sendfile on; keepalive_requests 1000000000; types {{ application/json json; }}\n\
                 client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;\n\
                 uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi; open_file_cache max=10;\n\
                 server {{ listen 127.0.0.1:{port}; root {root}/static; }} }}\n"
            ),
        )?;
        let child = Command::new("nginx")
            .arg("-c")
            .arg(state.join("nginx/nginx.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("while starting nginx")?;
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(began.elapsed() < Duration::from_secs(10), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(Self { child, url: format!("http://127.0.0.1:{port}/record.json") })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master has to tell its workers, which a kill would not let it.
        let pid = self.child.id().to_string();
        let _ = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "sh", &pid]).status();
        let _ = self.child.wait();
    }
}
