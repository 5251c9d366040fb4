//! No name, e-mail address or body is in any log line, at any log level.

use crate::{
    caller::{CRN, Caller},
    ground::{Ground, until},
    invariants,
    service::{Service, command, run},
    stream::{STAFF, Stream},
};

#[tokio::test(flavor = "multi_thread")]
async fn with_everything_logged_no_line_holds_a_name_an_address_or_a_body() {
    let ground = Ground::lay(3).await;
    let mut stream = Stream::new(81, 3);
    let all = [("RUST_LOG", "trace")];
    let service = Service::start_as(&ground, "api,ingest,relay", &all).await;
    ground.queue.send(&stream.teach(&ground)).await;
    invariants::drained(&ground, &stream).await;
    ground.queue.send(&stream.next(&ground, 12)).await;
    // Messages that are parked, too.
    let name = STAFF[0].2;
    ground
        .queue
        .send(&[format!("broken {{ {name}"), format!(r#"{{"eventType":"A.B","crn":"{name}"}}"#)])
        .await;
    until("both are parked", async || ground.count("select count(*) from parked_messages").await == 2).await;
    invariants::drained(&ground, &stream).await;
    let caller = Caller::of(&ground);
    assert_eq!(caller.ask(&service.api_url(), CRN).await.unwrap().status, reqwest::StatusCode::OK);
    let message = ground.logs.with_extension("json");
    std::fs::write(&message, &stream.next(&ground, 1)[0]).unwrap();
    let noms = crate::ground::noms(0);
    for arguments in [
        &["ingest", message.to_str().unwrap()][..],
        &["handovers", "refresh", &noms],
        &["history", &noms],
        &["reconcile", "--all"],
        &["replay", "--all"],
        &["verify"],
        &["parked", "list"],
        &["outbox", "list"],
    ] {
        let ended = run(&ground, command(&ground, arguments).envs(all)).await;
        assert!(ended.code.is_some_and(|code| code <= 1), "{arguments:?}: {}", ended.err);
    }
    service.stop().await;
    std::fs::remove_file(message).unwrap();
    let said = ground.said();
    assert!(said.contains(" TRACE "), "everything is logged");
    assert_eq!(invariants::names_in(&said), Vec::<&str>::new(), "{}", ground.logs.display());
    ground.end().await;
}
