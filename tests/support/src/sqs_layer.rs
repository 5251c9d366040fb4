//! A proxy in front of SQS that does what the real SQS may do and the local one never does: it delivers messages twice and
//! out of order, loses deletes, refuses single entries of a batch, throttles, and lets receipt handles expire.

use std::{
    collections::{HashMap, HashSet},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use warp::Filter;

/// Probability of each fault, from 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// A received message is delivered again some time later, deleted or not.
    pub duplicate: f64,
    /// The messages of an answer are reordered.
    pub shuffle: f64,
    /// A delete is acknowledged and not carried out: once for a message, as when one of the servers of SQS that hold a copy
    /// was away.
    pub lose_delete: f64,
    /// An entry of a batch is refused with an error of the service.
    pub refuse_entry: f64,
    /// The call is throttled.
    pub throttle: f64,
    /// A change of visibility fails because its receipt handle has expired.
    pub expire: f64,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    pub duplicates: u64,
    pub shuffles: u64,
    pub lost_deletes: u64,
    pub refused_entries: u64,
    pub throttled: u64,
    pub expired: u64,
}

struct State {
    random: fastrand::Rng,
    faults: Faults,
    done: Done,
    again: Vec<Value>,
    /// The message behind each receipt handle, and the messages of which a delete was lost.
    received: HashMap<String, String>,
    /// The last receipt handle of each message: SQS gives every delivery a handle that works.
    newest: HashMap<String, Value>,
    lost: HashSet<String>,
}

#[derive(Clone)]
pub struct SqsLayer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: Arc<JoinHandle<()>>,
}

type Answer = Response<Vec<u8>>;

impl SqsLayer {
    pub async fn start(upstream: &str, faults: Faults, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let state = Arc::new(Mutex::new(State {
            random,
            faults,
            done: Done::default(),
            again: vec![],
            received: HashMap::new(),
            newest: HashMap::new(),
            lost: HashSet::new(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (http, upstream, shared) = (reqwest::Client::new(), upstream.to_owned(), Arc::clone(&state));
        let route =
            warp::post().and(warp::header::headers_cloned()).and(warp::body::bytes()).and_then(
                move |headers: HeaderMap, body: warp::hyper::body::Bytes| {
                    let (http, upstream, state) = (http.clone(), upstream.clone(), Arc::clone(&shared));
                    async move {
                        Ok::<_, Infallible>(answer(&http, &upstream, &state, headers, body.to_vec()).await)
                    }
                },
            );
        let server = tokio::spawn(warp::serve(route).incoming(listener).run());
        Self { address, state, server: Arc::new(server) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn done(&self) -> Done {
        lock(&self.state).done
    }

    /// Switches all faults off; returns what was done so far.
    pub fn calm(&self) -> Faults {
        std::mem::take(&mut lock(&self.state).faults)
    }

    #[allow(dead_code, reason = "each target that includes this module uses a part of it")]
    pub fn resume(&self, faults: Faults) {
        lock(&self.state).faults = faults;
    }
}

impl Drop for SqsLayer {
    fn drop(&mut self) {
        if Arc::strong_count(&self.server) == 1 {
            self.server.abort();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn happens(&mut self, likely: fn(&Faults) -> f64) -> bool {
        self.random.f64() < likely(&self.faults)
    }

    fn loses_delete(&mut self, entry: &Value) -> bool {
        let message = entry["ReceiptHandle"].as_str().and_then(|handle| self.received.get(handle)).cloned();
        message.is_some_and(|id| self.happens(|faults| faults.lose_delete) && self.lost.insert(id))
    }
}

async fn answer(
    http: &reqwest::Client,
    upstream: &str,
    state: &Mutex<State>,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Answer {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default().to_owned();
    if lock(state).happens(|faults| faults.throttle) {
        lock(state).done.throttled += 1;
        return refusal("com.amazonaws.sqs#RequestThrottled");
    }
    match action.as_str() {
        "ReceiveMessage" => received(state, forward(http, upstream, headers, body).await),
        "DeleteMessageBatch" => deleted(http, upstream, state, headers, &body).await,
        "ChangeMessageVisibility" if lock(state).happens(|faults| faults.expire) => {
            lock(state).done.expired += 1;
            refusal("com.amazonaws.sqs#ReceiptHandleIsInvalid")
        }
        _ => forward(http, upstream, headers, body).await,
    }
}

fn received(state: &Mutex<State>, answer: Answer) -> Answer {
    let mut body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let mut state = lock(state);
    let mut messages = body["Messages"].as_array().cloned().unwrap_or_default();
    for message in messages.clone() {
        if let (Some(handle), Some(id)) = (message["ReceiptHandle"].as_str(), message["MessageId"].as_str()) {
            state.received.insert(handle.to_owned(), id.to_owned());
            state.newest.insert(id.to_owned(), message["ReceiptHandle"].clone());
        }
        if state.happens(|faults| faults.duplicate) {
            state.again.push(message);
        }
    }
    // Add a message that was delivered before to this delivery, if it has room (ten at most).
    if messages.len() < 10 && !state.again.is_empty() && state.random.bool() {
        let waiting = state.again.len();
        let which = state.random.usize(..waiting);
        let mut again = state.again.swap_remove(which);
        if let Some(handle) = again["MessageId"].as_str().and_then(|id| state.newest.get(id)) {
            again["ReceiptHandle"] = handle.clone();
        }
        messages.push(again);
        state.done.duplicates += 1;
    }
    if messages.len() > 1 && state.happens(|faults| faults.shuffle) {
        state.random.shuffle(&mut messages);
        state.done.shuffles += 1;
    }
    if !messages.is_empty() {
        body["Messages"] = json!(messages);
    }
    respond(answer.status(), body.to_string().into_bytes())
}

async fn deleted(
    http: &reqwest::Client,
    upstream: &str,
    state: &Mutex<State>,
    headers: HeaderMap,
    body: &[u8],
) -> Answer {
    let mut asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let entries = asked["Entries"].as_array().cloned().unwrap_or_default();
    let (mut passed, mut lost, mut refused) = (vec![], vec![], vec![]);
    {
        let mut state = lock(state);
        for entry in entries {
            if state.loses_delete(&entry) {
                lost.push(json!({ "Id": entry["Id"] }));
            } else if state.happens(|faults| faults.refuse_entry) {
                refused.push(json!({ "Id": entry["Id"], "SenderFault": false, "Code": "InternalError" }));
            } else {
                passed.push(entry);
            }
        }
        state.done.lost_deletes += lost.len() as u64;
        state.done.refused_entries += refused.len() as u64;
    }
    let mut answer = json!({ "Successful": [], "Failed": [] });
    if !passed.is_empty() {
        asked["Entries"] = json!(passed);
        let forwarded = forward(http, upstream, headers, asked.to_string().into_bytes()).await;
        if !forwarded.status().is_success() {
            return forwarded;
        }
        answer = serde_json::from_slice(forwarded.body()).unwrap_or_default();
    }
    for (list, more) in [("Successful", lost), ("Failed", refused)] {
        let mut all = answer[list].as_array().cloned().unwrap_or_default();
        all.extend(more);
        answer[list] = json!(all);
    }
    respond(StatusCode::OK, answer.to_string().into_bytes())
}

async fn forward(http: &reqwest::Client, upstream: &str, mut headers: HeaderMap, body: Vec<u8>) -> Answer {
    headers.remove("host");
    headers.remove("content-length");
    let Ok(answer) = http.post(upstream).headers(headers).body(body).send().await else {
        return respond(StatusCode::BAD_GATEWAY, vec![]);
    };
    let status = answer.status();
    respond(status, answer.bytes().await.map(|bytes| bytes.to_vec()).unwrap_or_default())
}

fn refusal(kind: &str) -> Answer {
    respond(StatusCode::BAD_REQUEST, json!({ "__type": kind, "message": "refused" }).to_string().into_bytes())
}

fn respond(status: StatusCode, body: Vec<u8>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert("content-type", http::HeaderValue::from_static("application/x-amz-json-1.0"));
    answer
}
