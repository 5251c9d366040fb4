//! `/queue-admin/…`: the routes that the operators of HMPPS services have scripts for.

use std::{collections::HashMap, sync::Arc};

use ::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};
use warp::{
    Filter,
    reply::{Reply, Response},
};

use crate::{
    http::{Authenticator, Call, PUT, Problem, ProblemBody, READ, Role, Route, json},
    operations::queue_admin::{DeadLetter, QueueAdmin, QueueAdminError},
};

/// Messages in an answer when the caller does not say how many.
const DEFAULT_MESSAGES: usize = 100;
/// Most messages in one answer.
const MOST: usize = 1000;

/// How many messages there were.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundBody {
    /// Messages found. SQS counts approximately.
    pub messages_found_count: u64,
}

/// What is in a dead-letter queue.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLettersBody {
    /// Messages found. SQS counts approximately.
    pub messages_found_count: u64,
    /// Messages in this answer.
    pub messages_returned_count: usize,
    /// The messages.
    pub messages: Vec<DeadLetterBody>,
}

/// A dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLetterBody {
    /// Its body, as JSON if it is JSON and as text otherwise.
    #[schema(value_type = Object)]
    pub body: Value,
    /// Its id in SQS.
    pub message_id: String,
}

#[derive(OpenApi)]
#[openapi(paths(retry_dlq, retry_all_dlqs, purge_queue, dlq_messages))]
struct QueueAdminDocument;

/// The part of the OpenAPI document that these routes have.
pub fn document() -> utoipa::openapi::OpenApi {
    QueueAdminDocument::openapi()
}

/// The routes.
pub fn routes(admin: &QueueAdmin, authenticator: &Arc<Authenticator>) -> Vec<Route> {
    let only = (Role::QueueAdmin, authenticator);
    let [first, second, third, fourth] = [(); 4].map(|()| admin.clone());
    let letters = warp::path!("queue-admin" / "get-dlq-messages" / String)
        .and(warp::query::<HashMap<String, String>>())
        .map(|name, query| (name, query));
    vec![
        Route::protected(
            PUT,
            "/queue-admin/retry-dlq/{dlq}",
            only,
            warp::path!("queue-admin" / "retry-dlq" / String).boxed(),
            move |call| retry_dlq(first.clone(), call),
        ),
        Route::protected(
            PUT,
            "/queue-admin/retry-all-dlqs",
            only,
            warp::path!("queue-admin" / "retry-all-dlqs").map(|| ()).boxed(),
            move |call| retry_all_dlqs(second.clone(), call),
        ),
        Route::protected(
            PUT,
            "/queue-admin/purge-queue/{queue}",
            only,
            warp::path!("queue-admin" / "purge-queue" / String).boxed(),
            move |call| purge_queue(third.clone(), call),
        ),
        Route::protected(READ, "/queue-admin/get-dlq-messages/{dlq}", only, letters.boxed(), move |call| {
            dlq_messages(fourth.clone(), call)
        }),
    ]
}

/// The one route of the internal listener, without a token: the cron job of the HMPPS chart calls it inside the cluster.
pub fn internal_routes(admin: &QueueAdmin) -> Vec<Route> {
    let (admin, path) = (admin.clone(), warp::path!("queue-admin" / "retry-all-dlqs").map(|| ()).boxed());
    vec![Route::open(PUT, "/queue-admin/retry-all-dlqs", path, move |()| {
        let admin = admin.clone();
        async move {
            tracing::info!(caller = "the cluster", action = "retry-all-dlqs", "queue-admin request");
            retry_all(admin).await.unwrap_or_else(Reply::into_response)
        }
    })]
}

/// Moves the messages of a dead-letter queue back to the queue that they came from
///
/// What does not fit into the time of one request stays for the next one.
#[utoipa::path(
    put, path = "/queue-admin/retry-dlq/{dlq}", operation_id = "retryDlq", tag = "Queues",
    params(("dlq" = String, Path, description = "Name of a dead-letter queue of this service", example = "events-dlq")),
    responses((status = 200, description = "They are moved", body = FoundBody,
               example = json!({ "messagesFoundCount": 3 })),
              (status = 404, description = "No dead-letter queue of this service has the name", body = ProblemBody),
              (status = 503, description = "SQS does not answer", body = ProblemBody)),
    security(("hmpps-auth" = ["ROLE_QUEUE_ADMIN"])),
)]
async fn retry_dlq(admin: QueueAdmin, call: Call<String>) -> Result<Response, Problem> {
    note("retry-dlq", &call);
    to_the_end(async move { Ok(found(admin.retry(&call.params).await?)) }).await
}

/// Moves the messages of every dead-letter queue of this service back
#[utoipa::path(
    put, path = "/queue-admin/retry-all-dlqs", operation_id = "retryAllDlqs", tag = "Queues",
    responses((status = 200, description = "One entry for each dead-letter queue", body = Vec<FoundBody>,
               example = json!([{ "messagesFoundCount": 3 }])),
              (status = 503, description = "SQS does not answer", body = ProblemBody)),
    security(("hmpps-auth" = ["ROLE_QUEUE_ADMIN"])),
)]
async fn retry_all_dlqs(admin: QueueAdmin, call: Call<()>) -> Result<Response, Problem> {
    note("retry-all-dlqs", &call);
    retry_all(admin).await
}

async fn retry_all(admin: QueueAdmin) -> Result<Response, Problem> {
    to_the_end(async move { Ok(admin.retry_all().await?.into_iter().map(found).collect::<Vec<_>>()) }).await
}

/// Deletes every message of a queue or dead-letter queue
#[utoipa::path(
    put, path = "/queue-admin/purge-queue/{queue}", operation_id = "purgeQueue", tag = "Queues",
    params(("queue" = String, Path, description = "Name of a queue or dead-letter queue of this service",
            example = "events-dlq")),
    responses((status = 200, description = "They are deleted", body = FoundBody,
               example = json!({ "messagesFoundCount": 3 })),
              (status = 404, description = "No queue of this service has the name", body = ProblemBody),
              (status = 409, description = "It was purged less than a minute ago", body = ProblemBody),
              (status = 503, description = "SQS does not answer", body = ProblemBody)),
    security(("hmpps-auth" = ["ROLE_QUEUE_ADMIN"])),
)]
async fn purge_queue(admin: QueueAdmin, call: Call<String>) -> Result<Response, Problem> {
    note("purge-queue", &call);
    to_the_end(async move { Ok(found(admin.purge(&call.params).await?)) }).await
}

/// Shows messages of a dead-letter queue
///
/// They stay there.
#[utoipa::path(
    get, path = "/queue-admin/get-dlq-messages/{dlq}", operation_id = "dlqMessages", tag = "Queues",
    params(("dlq" = String, Path, description = "Name of a dead-letter queue of this service", example = "events-dlq"),
           ("maxMessages" = Option<usize>, Query, description = "Most messages in the answer, 1 to 1000, default 100")),
    responses((status = 200, description = "The messages", body = DeadLettersBody,
               example = json!({ "messagesFoundCount": 1, "messagesReturnedCount": 1,
                   "messages": [{ "body": { "Type": "Notification" }, "messageId": "7a1c" }] })),
              (status = 400, description = "`maxMessages` is no such number", body = ProblemBody),
              (status = 404, description = "No dead-letter queue of this service has the name", body = ProblemBody),
              (status = 503, description = "SQS does not answer", body = ProblemBody)),
    security(("hmpps-auth" = ["ROLE_QUEUE_ADMIN"])),
)]
async fn dlq_messages(
    admin: QueueAdmin,
    call: Call<(String, HashMap<String, String>)>,
) -> Result<Response, Problem> {
    note("get-dlq-messages", &call);
    let (name, query) = call.params;
    let most =
        match query.get("maxMessages") {
            None => DEFAULT_MESSAGES,
            Some(text) => text.parse().ok().filter(|most| (1..=MOST).contains(most)).ok_or_else(|| {
                Problem::bad_request(format!("maxMessages is not a number from 1 to {MOST}"))
            })?,
        };
    let seen = admin.dead_letters(&name, most).await.map_err(problem)?;
    let messages: Vec<DeadLetterBody> = seen.letters.into_iter().map(letter).collect();
    let body = DeadLettersBody {
        messages_found_count: seen.found,
        messages_returned_count: messages.len(),
        messages,
    };
    Ok(json(StatusCode::OK, &body))
}

/// Who asked for what: a queue administrator can delete messages.
fn note<P>(action: &'static str, call: &Call<P>) {
    let (caller, user) = (call.caller.name(), call.caller.user());
    tracing::info!(caller, user, action, "queue-admin request");
}

/// Runs in a task of its own: a caller that hangs up must not stop a move between its two halves.
async fn to_the_end<B: Serialize + Send + 'static>(
    work: impl Future<Output = Result<B, QueueAdminError>> + Send + 'static,
) -> Result<Response, Problem> {
    match tokio::spawn(work).await {
        Ok(done) => done.map(|body| json(StatusCode::OK, &body)).map_err(problem),
        Err(_) => Err(Problem::internal()),
    }
}

fn found(messages_found_count: u64) -> FoundBody {
    FoundBody { messages_found_count }
}

fn letter(DeadLetter { body, id }: DeadLetter) -> DeadLetterBody {
    DeadLetterBody { body: serde_json::from_str(&body).unwrap_or(Value::String(body)), message_id: id }
}

fn problem(error: QueueAdminError) -> Problem {
    match error {
        QueueAdminError::Unknown => Problem::not_found("No queue of this service has this name"),
        QueueAdminError::PurgeInProgress => {
            Problem::new(StatusCode::CONFLICT, "The queue was purged less than a minute ago")
        }
        QueueAdminError::NotConfigured => Problem::unavailable(
            "This process has no queue: set QUEUE_URL (and CHANGE_FEED_QUEUE_URL, BULK_QUEUE_URL)",
            60,
        ),
        QueueAdminError::StoreUnavailable(error) => {
            tracing::warn!(%error, "a queue is not purged, because the cached case records cannot be dropped");
            Problem::unavailable("The event store does not answer at the moment; nothing was purged", 5)
        }
        QueueAdminError::Unavailable(reason) => {
            tracing::warn!(reason, "a queue-admin request failed");
            Problem::unavailable("SQS does not answer at the moment", 5)
        }
    }
}
