#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::{
    audit::{
        history::{Question, build, samples::eventful},
        render::html::*,
    },
    case::CaseEvent,
};

fn page() -> String {
    render(&build(&eventful().0, &Question::default()))
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_no_script() {
    let page = page();
    for forbidden in ["<script", "src=", "http://", "https://", "@import", "url(http", "onclick", "<link"] {
        assert!(!page.contains(forbidden), "{forbidden} in the page");
    }
}

#[test]
fn every_element_that_is_opened_is_closed() {
    let page = page();
    for element in [
        "html", "head", "body", "main", "header", "section", "table", "thead", "tbody", "tr", "td", "th",
        "dl", "ul", "svg", "g", "time",
    ] {
        let opened =
            page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
        assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
    }
}

#[test]
fn headings_tables_and_pictures_are_named_for_those_who_do_not_see_them() {
    let page = page();
    assert_eq!(page.matches("<h1>").count(), 1);
    assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), page.matches("<svg").count());
    assert!(page.contains("<th scope=\"col\">"));
    assert!(page.contains("Timeline: from 01/07/2026 ADA1 BYRON; from 04/07/2026 ADA4 BYRON;"));
}

#[test]
fn times_are_london_time_with_utc_when_pointed_at() {
    assert!(page().contains(
        "<time datetime=\"2026-07-01T09:00:00Z\" title=\"2026-07-01 09:00:00.000 UTC\">01/07/2026 10:00:00 BST</time>"
    ));
}

#[test]
fn what_comes_from_outside_cannot_become_markup() {
    let mut story = eventful();
    let CaseEvent::PomAllocated { pom, .. } = &mut story.0.events[0].event else { panic!("an allocation") };
    pom.forename = "<script>alert('x')</script>".to_owned();
    let page = render(&build(&story.0, &Question::default()));
    assert!(!page.contains("<script"));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
}
