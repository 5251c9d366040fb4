//! Stand-ins that are fast enough not to be what is measured: SQS and Manage POM Cases on one port, HMPPS Auth (the one
//! of the development environment) on another.

mod queue;
mod sqs;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use chrono::{Days, NaiveDate};
use http::Response;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinHandle};
use warp::Filter;

pub(crate) use queue::Queue;

use crate::stand_ins::{Client, MPC_ROLE, StandIns, StandInsConfig};

/// How often the real queues deliver a message before they move it to the dead-letter queue.
const MAX_RECEIVES: u32 = 3;

/// The running stand-ins.
pub(crate) struct StandIn {
    address: SocketAddr,
    auth: StandIns,
    state: Arc<State>,
    server: JoinHandle<()>,
}

struct State {
    /// Replaced for every run, so that no message of an earlier one is left.
    queue: Mutex<Arc<Queue>>,
    queue_url: String,
    handovers: AtomicU64,
}

impl StandIn {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("while binding the stand-in")?;
        let address = listener.local_addr()?;
        let clients = vec![Client::new("speed", "speed", &[MPC_ROLE])];
        let auth = StandIns::start(StandInsConfig { clients, ..StandInsConfig::default() }).await?;
        let state = Arc::new(State {
            queue: Mutex::new(Arc::new(Queue::new(MAX_RECEIVES))),
            queue_url: format!("http://{address}/000000000000/speed"),
            handovers: AtomicU64::new(0),
        });
        let server = warp::serve(routes(Arc::clone(&state))).incoming(listener).run();
        Ok(Self { address, auth, state, server: tokio::spawn(server) })
    }

    /// An empty queue in place of the one of the run before.
    pub(crate) fn new_queue(&self) -> Arc<Queue> {
        let queue = Arc::new(Queue::new(MAX_RECEIVES));
        *self.state.queue.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&queue);
        queue
    }

    /// What a process of the service has to be given to use the stand-ins.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let base = format!("http://{}", self.address);
        [
            ("QUEUE_URL", self.state.queue_url.clone()),
            ("AWS_ENDPOINT_URL", base.clone()),
            ("AWS_REGION", "eu-west-2".into()),
            ("AWS_ACCESS_KEY_ID", "speed".into()),
            ("AWS_SECRET_ACCESS_KEY", "speed".into()),
            ("MPC_URL", base),
            ("AUTH_URL", self.auth.auth_url()),
            ("CLIENT_ID", "speed".into()),
            ("CLIENT_SECRET", "speed".into()),
        ]
        .into()
    }

    pub(crate) fn mpc_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A token with which the read API answers.
    pub(crate) fn token(&self) -> anyhow::Result<String> {
        Ok(self.auth.token(&["ROLE_PROBATION_API__MANAGE_POM_CASES__CASE_DETAIL"])?)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

type Body = Response<String>;

fn routes(state: Arc<State>) -> warp::filters::BoxedFilter<(Body,)> {
    let sqs = {
        let state = Arc::clone(&state);
        warp::post().and(warp::header("x-amz-target")).and(warp::body::bytes()).then(
            move |target: String, body: warp::hyper::body::Bytes| {
                let state = Arc::clone(&state);
                async move {
                    let queue = Arc::clone(&state.queue.lock().unwrap_or_else(PoisonError::into_inner));
                    let (status, answer) = sqs::answer(&queue, &target, &body, &state.queue_url).await;
                    respond(status, "application/x-amz-json-1.0", answer.to_string())
                }
            },
        )
    };
    let mpc = warp::get().and(warp::path::full()).and(warp::header("authorization")).map(
        move |path: warp::path::FullPath, _token: String| match answer_of_mpc(path.as_str(), &state.handovers)
        {
            Some(body) => respond(200, "application/json", body),
            None => respond(404, "text/html", "<html></html>".to_owned()),
        },
    );
    sqs.or(mpc).unify().boxed()
}

/// The staff code that holds a case: the same whenever it is asked, and one of forty.
pub(crate) fn staff_code(noms: &str) -> u32 {
    485_000 + noms.bytes().map(u32::from).sum::<u32>() % 40
}

/// Handover dates differ with every answer, so that each handover message changes something in Delius.
fn answer_of_mpc(path: &str, handovers: &AtomicU64) -> Option<String> {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["", "api", "allocation", noms, "primary_pom"] => {
            let code = staff_code(noms);
            let surname = format!("BYRON-{}", char::from(b'A' + u8::try_from(code % 26).unwrap_or(0)));
            let manager = json!({ "code": code, "forename": "ADA", "surname": surname, "email": null });
            Some(json!({ "manager": manager, "prison": { "code": "LEI" } }).to_string())
        }
        ["", "api", "handovers", noms] => {
            let days = handovers.fetch_add(1, Ordering::Relaxed) % 1000;
            let date = NaiveDate::from_ymd_opt(2027, 1, 1)?.checked_add_days(Days::new(days))?;
            Some(
                json!({
                    "nomsNumber": noms, "handoverDate": date, "handoverStartDate": date, "responsibility": "POM",
                    "responsibleComName": null, "responsibleComEmail": null, "responsiblePomName": null,
                    "responsiblePomNomisId": null,
                })
                .to_string(),
            )
        }
        _ => None,
    }
}

fn respond(status: u16, content_type: &'static str, body: String) -> Body {
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
