//! E-mail addresses from a real LDAP server.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use manage_pom_cases_and_delius::{
    breakers::{BreakerConfig, BreakerState, Breakers, DIRECTORY},
    case_records::{DeliusSource, DirectoryConfig, EmailDirectory, RecordSource},
    delius::records::CaseReader,
};
use sqlx::PgPool;

use crate::helpers::{
    people::{ground, manage, person, staff},
    slapd::{ADMIN, BASE, PASSWORD, Slapd},
};

fn config(slapd: &Slapd) -> DirectoryConfig {
    DirectoryConfig {
        bind_dn: Some(ADMIN.into()),
        password: Some(PASSWORD.into()),
        timeout: Duration::from_secs(10),
        ..DirectoryConfig::new(slapd.url(), BASE)
    }
}

/// A directory whose breaker lets a probe through after this pause.
fn pausing(config: DirectoryConfig, pause: Duration) -> (Arc<EmailDirectory>, Arc<Breakers>) {
    let breakers = BreakerConfig { first_pause: pause, longest_pause: pause, ..BreakerConfig::default() };
    let breakers = Arc::new(Breakers::new(breakers));
    (Arc::new(EmailDirectory::new(config).with_breakers(Arc::clone(&breakers))), breakers)
}

/// The directory's answer for a name; `None` means no answer.
async fn asked(directory: &Arc<EmailDirectory>, name: &str) -> Option<Option<String>> {
    directory.emails(&[name.to_owned()]).await.remove(name)
}

fn ada() -> Option<Option<String>> {
    Some(Some("ada.byron@example.org".to_owned()))
}

#[tokio::test]
async fn an_address_is_found_one_level_below_the_base_by_name_in_any_case() {
    let Some(slapd) = Slapd::start().await else { return };
    let directory = Arc::new(EmailDirectory::new(config(&slapd)));
    assert_eq!(asked(&directory, "AdaByron").await, ada());
    for (name, why) in [
        ("NoMail", "the entry has no address"),
        ("Nobody", "there is no entry"),
        ("Deeper", "the entry is two levels down"),
        ("*", "a name is no pattern"),
        ("AdaByron)(cn=*", "a name is no filter"),
    ] {
        assert_eq!(asked(&directory, name).await, Some(None), "{why}");
    }
    let fresh = Arc::new(EmailDirectory::new(config(&slapd)));
    assert_eq!(asked(&fresh, "ADABYRON").await, ada());
}

#[tokio::test]
async fn a_batch_of_names_is_asked_together() {
    let Some(slapd) = Slapd::start().await else { return };
    let directory = Arc::new(EmailDirectory::new(config(&slapd)));
    let mut names: Vec<String> = (0..250).map(|number| format!("Nobody{number}")).collect();
    names.push("AdaByron".to_owned());
    let answers = directory.emails(&names).await;
    assert_eq!(answers.len(), 251);
    assert_eq!(answers.values().flatten().collect::<Vec<_>>(), ["ada.byron@example.org"]);
}

#[tokio::test]
async fn what_is_known_needs_no_server_and_a_broken_connection_is_opened_again() {
    let Some(mut slapd) = Slapd::start().await else { return };
    let (directory, _) = pausing(config(&slapd), Duration::ZERO);
    assert_eq!(asked(&directory, "AdaByron").await, ada());
    slapd.kill();
    assert_eq!(asked(&directory, "AdaByron").await, ada(), "known");
    assert_eq!(asked(&directory, "NoMail").await, None, "no answer is not \"no address\"");
    slapd.run().await;
    assert_eq!(asked(&directory, "NoMail").await, Some(None));
}

#[tokio::test]
async fn while_the_directory_is_down_nobody_waits_for_it() {
    let Some(mut slapd) = Slapd::start().await else { return };
    let (directory, breakers) = pausing(config(&slapd), Duration::from_secs(86_400));
    assert_eq!(asked(&directory, "AdaByron").await, ada());
    slapd.kill();
    assert_eq!(asked(&directory, "NoMail").await, None);
    let trouble = breakers.failures(std::time::Instant::now()).remove(0);
    assert_eq!((trouble.dependency, trouble.state), (DIRECTORY, BreakerState::Open));
    // A request would be seen here and would wait for ever.
    let silent = tokio::net::TcpListener::bind(slapd.address()).await.unwrap();
    assert_eq!(asked(&directory, "NoMail").await, None);
    assert!(silent.accept().now_or_never().is_none(), "nobody asked");
    assert_eq!(asked(&directory, "AdaByron").await, ada(), "what is known is still told");
}

#[tokio::test]
async fn a_wrong_password_or_base_is_no_answer() {
    let Some(slapd) = Slapd::start().await else { return };
    let wrong_password = DirectoryConfig { password: Some("wrong".into()), ..config(&slapd) };
    assert_eq!(asked(&Arc::new(EmailDirectory::new(wrong_password)), "AdaByron").await, None);
    let wrong_base = DirectoryConfig { base: "ou=Nowhere,dc=test".into(), ..config(&slapd) };
    assert_eq!(asked(&Arc::new(EmailDirectory::new(wrong_base)), "AdaByron").await, None);
}

#[sqlx::test(migrations = "migrations/delius")]
async fn a_record_carries_the_managers_address_and_null_while_the_directory_is_down(delius: PgPool) {
    let Some(mut slapd) = Slapd::start().await else { return };
    let ground = ground(&delius).await;
    let com = staff(&delius, &ground, "N07A007", ["Ada", "", "Byron"], Some("AdaByron")).await;
    let id = person(&delius, "X000001", None).await;
    manage(&delius, &ground, id, com, "2026-01-05").await;
    // Nothing is cached, so that every read asks the server.
    let forgetful = DirectoryConfig { max_age: Duration::from_nanos(1), ..config(&slapd) };
    let (directory, breakers) = pausing(forgetful, Duration::ZERO);
    let source = DeliusSource::new(CaseReader::new(delius), Some(directory));
    let read = async || {
        let reading = source.read(&["X000001".parse().unwrap()]).await.unwrap().remove(0);
        (reading.facts.record.manager.unwrap().email, reading.complete)
    };
    assert_eq!(read().await, (Some("ada.byron@example.org".into()), true));
    slapd.kill();
    assert_eq!(read().await, (None, false), "served, and not to be kept");
    assert_eq!(breakers.open(), [DIRECTORY]);
    slapd.run().await;
    assert_eq!(read().await, (Some("ada.byron@example.org".into()), true));
    assert!(breakers.open().is_empty());
}
