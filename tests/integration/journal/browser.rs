//! The history page that carries its evidence checks itself in a browser, from a file and without a network. Needs
//! Chromium; where none is installed the test says that it is skipped.

use std::path::{Path, PathBuf};

use sqlx::PgPool;
use tokio::process::Command;

use super::evidence::{File, covered, exported, offline, signer};
use crate::helpers::world::World;

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let places = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// What the page says of itself: its state and its words.
async fn verdict(browser: &Path, page: &str) -> (String, String) {
    let folder = std::env::temp_dir().join(format!("browser-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("history.html");
    std::fs::write(&file, page).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.display()))
        // The clock of the page runs on while nothing is to be done, until the script has ended.
        .arg("--virtual-time-budget=60000")
        .arg(format!("file://{}", file.display()))
        .output()
        .await
        .unwrap();
    let _ = std::fs::remove_dir_all(&folder);
    let dom = String::from_utf8(output.stdout).unwrap();
    let (_, rest) = dom
        .split_once("<span id=\"verdict\"")
        .unwrap_or_else(|| panic!("no page: {dom}{}", String::from_utf8_lossy(&output.stderr)));
    let state = rest.split("data-state=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let words = rest.split_once('>').unwrap().1.split("</span>").next().unwrap();
    (state.to_owned(), words.to_owned())
}

/// The page of an evidence file, made where there is only the program.
async fn page(text: &str) -> String {
    let file = File::new();
    std::fs::write(file.path(), text).unwrap();
    let (code, page) = offline(&["history", "--from", file.path(), "--format", "html"]).await;
    assert_eq!(code, 0, "{page}");
    page
}

#[sqlx::test(migrations = "migrations/store")]
async fn the_page_proves_itself_in_a_browser_and_shows_a_forged_copy_as_forged(store: PgPool) {
    let Some(browser) = browser() else {
        eprintln!("skipped: no Chromium is installed; with one this test opens the history page in it");
        return;
    };
    let world = World::on(store).await;
    covered(&world).await;
    let mut file = exported(&world.store).await;
    file.verifier = Some(signer().verifier().to_string());
    let (count, genuine) = (file.entries.len(), page(&file.to_text().unwrap()).await);
    let (state, words) = verdict(&browser, &genuine).await;
    assert_eq!(state, "proved", "{words}");
    assert!(words.starts_with(&format!("{count} of {count} entries proved against checkpoint ")), "{words}");
    assert!(words.contains("signed by test/journal"), "{words}");

    let (head, story) = genuine.split_once("<main").unwrap();
    let retold = format!("{head}<main{}", story.replacen("BYRON", "SMITH", 1));
    let mut edited = file.clone();
    edited.entries[0].salt = edited.entries[1].salt.clone();
    let mut other_checkpoint = file.clone();
    other_checkpoint.checkpoint = file.checkpoint.replacen("time 20", "time 19", 1);
    for (page, said) in [
        (retold, "but the page shows something else"),
        (page(&edited.to_text().unwrap()).await, "Forged: only "),
        (page(&other_checkpoint.to_text().unwrap()).await, "not signed by the key that the page names"),
    ] {
        let (state, words) = verdict(&browser, &page).await;
        assert!(state == "forged" && words.contains(said), "{state}: {words}");
    }
    world.end().await;
}
