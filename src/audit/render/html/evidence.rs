//! The page that carries its evidence and checks itself in the browser, from a file as well.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::audit::history::History;

const SCRIPT: &str = include_str!("check.js");

/// Renders the page with the text of an evidence file in it.
pub(crate) fn render(history: &History, evidence: &str) -> String {
    let page = super::render(history);
    // The story is compared with a copy of itself, so that a page in which only what is shown was changed says so.
    let page = page.replacen("<main>", "<main id=\"story\">", 1);
    let start = page.find("<main id=\"story\">").unwrap_or_default();
    let end = page.find("</main>").map_or(page.len(), |end| end + "</main>".len());
    let (head, story, tail) = (&page[..start], &page[start..end], &page[end..]);
    let hash = STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    let head =
        head.replacen("default-src 'none';", &format!("default-src 'none'; script-src 'sha256-{hash}';"), 1);

    let mut out = String::with_capacity(page.len() * 3 + evidence.len() * 2);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{head}<aside class=\"proof\"><strong>Proof:</strong> \
         <span id=\"verdict\" role=\"status\" data-state=\"unknown\">not checked; it needs a browser that runs the script \
         of this page.</span> To check it without trusting this page: <code>evidence verify FILE</code>.</aside>\n\
         {story}\n\
         <script type=\"text/plain\" id=\"evidence\">{}</script>\n\
         <script type=\"text/plain\" id=\"made\">{}</script>\n\
         <script>{SCRIPT}</script>{tail}",
        STANDARD.encode(evidence),
        STANDARD.encode(story),
    );
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::audit::history::{Question, build, samples::eventful};

    #[test]
    fn the_page_allows_no_script_but_its_own_and_carries_the_evidence() {
        let page = render(&build(&eventful().0, &Question::default()), "{\"a\":\"</script>\"}\n");
        let policy = page.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
        assert_eq!(page.matches("<script").count(), 3);
        assert!(page.contains(&STANDARD.encode("{\"a\":\"</script>\"}\n")));
        assert_eq!(page.matches("</main>").count(), 1);
        assert!(!SCRIPT.contains("</script"));
    }
}
