//! Inputs that really come: times, envelopes and identifiers in spellings that others write, end to end.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    helpers::{
        command::run,
        world::{CRN, NOMS, World, delivery, offender_event},
    },
    stand_ins::Answer,
};

fn ada(world: &World) {
    world.mpc.mpc().allocation(NOMS, Answer::allocated(1, "ADA", "BYRON", None, "LEI"));
}

fn bare(envelope: &Value) -> Value {
    serde_json::from_str(envelope["Message"].as_str().unwrap()).unwrap()
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_changed_sentence_needs_nothing_but_the_crn(store: PgPool) {
    let world = World::on(store).await;
    let mut times = vec![json!("2026-02-25T11:24"), json!(null), json!(""), json!("yesterday"), json!(7)];
    times.push(json!("2026-03-29T01:30:00"));
    for (number, time) in times.into_iter().enumerate() {
        let mut event = offender_event("SENTENCE_CHANGED", CRN);
        event["eventDatetime"] = time;
        event["sourceId"] = json!(number);
        world.apply(&event).await;
    }
    world.apply(&json!({ "eventType": "SENTENCE_CHANGED", "crn": CRN })).await;
    assert!(world.parked().await.is_empty());
    assert_eq!(world.events(NOMS).await, ["HandoverNotFound"; 7]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn envelopes_with_few_members_are_unwrapped(store: PgPool) {
    let world = World::on(store).await;
    ada(&world);
    let event_type = "offender-management.allocation.changed";
    let attributes = json!({ "eventType": { "Type": "String", "Value": event_type } });
    let event = |day: u32| bare(&world.allocation("m", &format!("2026-07-0{day}T09:00:00Z"), 1)).to_string();
    let mut alone = delivery(json!({ "Message": event(1) }).to_string());
    alone.attributes.insert("eventType".into(), event_type.into());
    let typed = json!({ "Type": "Notification", "Message": event(2), "MessageAttributes": attributes });
    let nested = json!({ "MessageId": "m3", "Message": json!({ "Type": "Notification", "Message": event(3) }).to_string() });
    let marked = json!({ "MessageId": "m4", "Message": format!("\u{feff}{}", event(4)) });
    for delivery in [
        alone,
        delivery(typed.to_string()),
        delivery(nested.to_string()),
        delivery(format!("\u{feff}{marked}")),
        delivery(format!("\u{feff}{}", event(5))),
    ] {
        let ended = world.ingest.accept(&delivery).await.unwrap();
        assert!(
            matches!(ended, manage_pom_cases_and_delius::ingest::Disposition::Recorded { .. }),
            "{ended:?}"
        );
    }
    assert_eq!(world.events(NOMS).await, ["PomAllocated"; 5]);
    world.end().await;
}

#[sqlx::test(migrations = "migrations/store")]
async fn a_file_that_is_parked_does_not_end_with_success(store: PgPool) {
    let world = World::on(store).await;
    let folder = std::env::temp_dir().join(format!("parked-file-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("impossible.json");
    let mut event = bare(&world.allocation("m1", "2026-07-01T09:00:60Z", 1));
    event["eventType"] = json!("offender-management.allocation.changed");
    std::fs::write(&file, event.to_string()).unwrap();
    let ended = run(&world, &["ingest", file.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert_eq!(world.parked().await, ["InvalidMessage"]);
    std::fs::remove_dir_all(&folder).unwrap();
    world.end().await;
}
