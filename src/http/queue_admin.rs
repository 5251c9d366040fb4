//! `/queue-admin/…`: the routes that HMPPS' operators have scripts for.

use std::{collections::HashMap, sync::Arc};

use ::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};
use warp::{
    Filter,
    filters::BoxedFilter,
    reply::{Reply, Response},
};

use crate::{
    http::{Authenticator, Call, PUT, Problem, ProblemBody, READ, Role, Route, json},
    operations::queue_admin::{DeadLetter, QueueAdmin, QueueAdminError},
};

/// So many dead letters are shown when the caller does not say.
const USUAL: usize = 100;
/// More are never shown at once.
const MOST: usize = 1000;

/// How many messages there were.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundBody {
    /// Messages found, as SQS counts them: about.
    pub messages_found_count: u64,
}

/// What is in a dead-letter queue.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLettersBody {
    /// Messages found, as SQS counts them: about.
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
    /// Its body: the JSON that it is, or else its text.
    #[schema(value_type = Object)]
    pub body: Value,
    /// Its id in SQS.
    pub message_id: String,
}

/// Moves the messages of a dead-letter queue back to the queue that they came from.
#[utoipa::path(
    put, path = "/queue-admin/retry-dlq/{dlq}", operation_id = "retryDlq", tag = "Queues",
    params(("dlq" = String, Path, description = "Name of a dead-letter queue of this service")),
    responses((status = 200, description = "They are on their way; what did not fit into the time of a request is \
                                            left for the next", body = FoundBody),
              (status = 401, description = "No valid token", body = ProblemBody),
              (status = 403, description = "The role is missing", body = ProblemBody),
              (status = 404, description = "No dead-letter queue of this service has the name", body = ProblemBody),
              (status = 503, description = "SQS did not answer", body = ProblemBody)),
    security(("hmpps-auth" = ["ROLE_QUEUE_ADMIN"])),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_retry() {}

/// The same for every dead-letter queue of this service.
#[utoipa::path(
    put, path = "/queue-admin/retry-all-dlqs", operation_id = "retryAllDlqs", tag = "Queues",
    responses((status = 200, description = "One entry for each dead-letter queue", body = Vec<FoundBody>),
              (status = 401, description = "No valid token", body = ProblemBody),
              (status = 403, description = "The role is missing", body = ProblemBody),
              (status = 503, description = "SQS did not answer", body = ProblemBody)),
    security(("hmpps-auth" = ["ROLE_QUEUE_ADMIN"])),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_retry_all() {}

/// Deletes every message of a queue or dead-letter queue, for good.
#[utoipa::path(
    put, path = "/queue-admin/purge-queue/{queue}", operation_id = "purgeQueue", tag = "Queues",
    params(("queue" = String, Path, description = "Name of a queue or dead-letter queue of this service")),
    responses((status = 200, description = "They are deleted", body = FoundBody),
              (status = 401, description = "No valid token", body = ProblemBody),
              (status = 403, description = "The role is missing", body = ProblemBody),
              (status = 404, description = "No queue of this service has the name", body = ProblemBody),
              (status = 409, description = "It was purged less than a minute ago", body = ProblemBody),
              (status = 503, description = "SQS did not answer", body = ProblemBody)),
    security(("hmpps-auth" = ["ROLE_QUEUE_ADMIN"])),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_purge() {}

/// Shows messages of a dead-letter queue and leaves them there.
#[utoipa::path(
    get, path = "/queue-admin/get-dlq-messages/{dlq}", operation_id = "dlqMessages", tag = "Queues",
    params(("dlq" = String, Path, description = "Name of a dead-letter queue of this service"),
           ("maxMessages" = Option<usize>, Query, description = "At most so many, 1 to 1000; 100 when not said")),
    responses((status = 200, description = "The messages", body = DeadLettersBody),
              (status = 400, description = "`maxMessages` is no such number", body = ProblemBody),
              (status = 401, description = "No valid token", body = ProblemBody),
              (status = 403, description = "The role is missing", body = ProblemBody),
              (status = 404, description = "No dead-letter queue of this service has the name", body = ProblemBody),
              (status = 503, description = "SQS did not answer", body = ProblemBody)),
    security(("hmpps-auth" = ["ROLE_QUEUE_ADMIN"])),
)]
#[allow(dead_code, reason = "carries the documentation of the route")]
pub(crate) fn document_dead_letters() {}

#[derive(OpenApi)]
#[openapi(paths(document_retry, document_retry_all, document_purge, document_dead_letters))]
struct Document;

/// The part of the OpenAPI document that these routes have.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The routes.
pub fn routes(admin: &QueueAdmin, authenticator: &Arc<Authenticator>) -> Vec<Route> {
    let only = (Role::QueueAdmin, authenticator);
    let put = |template, path: BoxedFilter<(String,)>, act: Act| {
        let admin = admin.clone();
        Route::protected(PUT, template, only, path, move |call: Call<String>| {
            let admin = admin.clone();
            async move { change(admin, act, call).await }
        })
    };
    let (retry, purge) = (
        warp::path!("queue-admin" / "retry-dlq" / String).boxed(),
        warp::path!("queue-admin" / "purge-queue" / String).boxed(),
    );
    let retry_all = warp::path!("queue-admin" / "retry-all-dlqs").map(String::new).boxed();
    let query = warp::query::<HashMap<String, String>>();
    let letters = warp::path!("queue-admin" / "get-dlq-messages" / String)
        .and(query)
        .map(|name, query| (name, query))
        .boxed();
    let looking = admin.clone();
    vec![
        put("/queue-admin/retry-dlq/{dlq}", retry, Act::Retry),
        put("/queue-admin/retry-all-dlqs", retry_all, Act::RetryAll),
        put("/queue-admin/purge-queue/{queue}", purge, Act::Purge),
        Route::protected(READ, "/queue-admin/get-dlq-messages/{dlq}", only, letters, move |call| {
            let admin = looking.clone();
            async move { show(&admin, call).await }
        }),
    ]
}

/// The one route of the listener for the cluster alone: HMPPS' cron job calls it without a token.
pub fn internal_routes(admin: &QueueAdmin) -> Vec<Route> {
    let (admin, path) = (admin.clone(), warp::path!("queue-admin" / "retry-all-dlqs").map(|| ()).boxed());
    vec![Route::open(PUT, "/queue-admin/retry-all-dlqs", path, move |()| {
        let admin = admin.clone();
        async move {
            act(admin, Act::RetryAll, "the cluster".to_owned(), String::new())
                .await
                .unwrap_or_else(Reply::into_response)
        }
    })]
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Retry,
    RetryAll,
    Purge,
}

async fn change(admin: QueueAdmin, what: Act, call: Call<String>) -> Result<Response, Problem> {
    act(admin, what, call.caller.name().to_owned(), call.params).await
}

async fn act(admin: QueueAdmin, act: Act, caller: String, name: String) -> Result<Response, Problem> {
    tracing::info!(caller, ?act, "queue-admin request");
    // A task of its own: a caller that hangs up does not stop a move between its two halves.
    let done = tokio::spawn(async move {
        Ok(match act {
            Act::Retry => json(StatusCode::OK, &found(admin.retry(&name).await?)),
            Act::Purge => json(StatusCode::OK, &found(admin.purge(&name).await?)),
            Act::RetryAll => {
                let all: Vec<FoundBody> = admin.retry_all().await?.into_iter().map(found).collect();
                json(StatusCode::OK, &all)
            }
        })
    });
    match done.await {
        Ok(answer) => answer.map_err(problem),
        Err(_) => Err(Problem::internal()),
    }
}

async fn show(
    admin: &QueueAdmin,
    call: Call<(String, HashMap<String, String>)>,
) -> Result<Response, Problem> {
    let (name, query) = call.params;
    let most =
        match query.get("maxMessages") {
            None => USUAL,
            Some(text) => text.parse().ok().filter(|most| (1..=MOST).contains(most)).ok_or_else(|| {
                Problem::bad_request(format!("maxMessages is not a number from 1 to {MOST}"))
            })?,
        };
    let seen = admin.dead_letters(&name, most).await.map_err(problem)?;
    tracing::info!(caller = call.caller.name(), letters = seen.letters.len(), "dead letters were shown");
    let messages: Vec<DeadLetterBody> = seen.letters.into_iter().map(letter).collect();
    let body = DeadLettersBody {
        messages_found_count: seen.found,
        messages_returned_count: messages.len(),
        messages,
    };
    Ok(json(StatusCode::OK, &body))
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
            "This process was given no queue to look after: set QUEUE_URL (and CHANGE_FEED_QUEUE_URL, BULK_QUEUE_URL)",
            60,
        ),
        QueueAdminError::StoreUnavailable(error) => {
            tracing::warn!(%error, "a queue is not purged: cached case records cannot be dropped");
            Problem::unavailable("The store did not answer; nothing was purged", 5)
        }
        QueueAdminError::Unavailable(reason) => {
            tracing::warn!(reason, "a queue could not be looked after");
            Problem::unavailable("SQS did not answer", 5)
        }
    }
}
