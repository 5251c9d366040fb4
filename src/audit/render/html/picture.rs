//! The drawn part of the page: who held the case (one bar), and what we thought of that at each time (one bar for
//! each change of mind). Every bar is labelled or titled in words: colour alone says nothing.

use std::{collections::BTreeMap, fmt::Write as _};

use chrono::{DateTime, TimeDelta, Utc};

use crate::{
    audit::{
        history::Period,
        render::html::{History, escape, london, who},
    },
    case::Holder,
};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 10.0;
const BAR: f64 = 34.0;

/// Fills on which white text has a contrast of at least 4.5 to 1.
const FILLS: [&str; 8] =
    ["#1d5fa8", "#00663c", "#5a2d91", "#a0340e", "#0f6674", "#8c1c6a", "#5c5200", "#3b4a54"];

/// Maps times to places on the axis.
struct Axis {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    left: f64,
}

impl Axis {
    fn of(history: &History, left: f64) -> Option<Self> {
        let periods = || {
            let believed = history.knowledge.iter().flat_map(|belief| &belief.periods);
            history.timeline.iter().chain(believed)
        };
        let from = periods().map(|period| period.from).min()?;
        let last = periods().map(|period| period.from).max()?;
        let asked = history.as_of.or(history.known_at).unwrap_or(history.asked_at);
        // A little room behind the last fact, so that what holds to this day can be seen.
        let until = asked.max(last + TimeDelta::seconds(((last - from).num_seconds() / 12).max(3_600)));
        Some(Self { from, until, left })
    }

    fn x(&self, at: DateTime<Utc>) -> f64 {
        let share = |at: DateTime<Utc>| (at - self.from).num_seconds() as f64;
        let place = (share(at) / share(self.until).max(1.0)).clamp(0.0, 1.0);
        self.left + place * (WIDTH - LEFT - self.left)
    }

    fn ticks(&self, out: &mut String, top: f64, bottom: f64) -> std::fmt::Result {
        let count = 5;
        for step in 0..=count {
            let at = self.from + (self.until - self.from) / count * step;
            let x = self.x(at);
            let anchor = match step {
                0 => "start",
                _ if step == count => "end",
                _ => "middle",
            };
            write!(
                out,
                "<line class=\"axis\" x1=\"{x:.1}\" y1=\"{top:.1}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
                bottom + 15.0,
                london::date_of(at)
            )?;
        }
        Ok(())
    }
}

/// One colour per holder, in the order in which they appear.
struct Fills(BTreeMap<String, &'static str>);

impl Fills {
    fn of(history: &History) -> Self {
        let mut fills = BTreeMap::new();
        let believed = history.knowledge.iter().flat_map(|belief| &belief.periods);
        for period in history.timeline.iter().chain(believed).filter(|period| period.holder.is_some()) {
            let next = FILLS[fills.len() % FILLS.len()];
            fills.entry(identity(period)).or_insert(next);
        }
        Self(fills)
    }

    fn bar(&self, out: &mut String, axis: &Axis, period: &Period, y: f64, height: f64) -> std::fmt::Result {
        let (from, until) = (axis.x(period.from), axis.x(period.until.unwrap_or(axis.until)));
        let width = (until - from).max(1.5);
        let label = who(period.holder.as_ref());
        let end = period
            .until
            .map_or_else(|| "to this day".to_owned(), |until| format!("until {}", london::date_time(until)));
        let title = format!("{label}: from {} {end}", london::date_time(period.from));
        let (fill, ink) = match self.0.get(&identity(period)) {
            Some(fill) => (*fill, "#fff"),
            None => ("url(#nobody)", "#0b0c0c"),
        };
        write!(
            out,
            "<g><title>{title}</title><rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\" fill=\"{fill}\" stroke=\"#fff\"/>"
        )?;
        // About seven units for a letter: a label that does not fit is left to the title and the table.
        let fits = ((width - 12.0) / 7.0).max(0.0) as usize;
        let name = period.holder.as_ref().map_or_else(|| "nobody".to_owned(), shown);
        if name.chars().count() <= fits && height >= 16.0 {
            write!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{ink}\">{}</text>",
                from + 6.0,
                y + height / 2.0 + 4.5,
                escape(&name)
            )?;
        }
        out.write_str("</g>")
    }
}

/// The name, or the staff code that stands for it.
fn shown(holder: &Holder) -> String {
    if holder.is_named() { holder.name() } else { format!("staff code {}", holder.staff_code) }
}

fn identity(period: &Period) -> String {
    period
        .holder
        .as_ref()
        .map_or_else(String::new, |holder| format!("{}/{}", holder.prison, holder.staff_code))
}

const NOBODY: &str = "<defs><pattern id=\"nobody\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\" \
     patternTransform=\"rotate(45)\"><rect width=\"8\" height=\"8\" fill=\"#f3f2f1\"/>\
     <rect width=\"2\" height=\"8\" fill=\"#d5d7d8\"/></pattern></defs>";

fn open(out: &mut String, id: &str, height: f64, title: &str) -> std::fmt::Result {
    write!(
        out,
        "<div class=\"picture\" tabindex=\"0\" role=\"group\" aria-labelledby=\"{id}\">\
         <svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">",
        escape(title)
    )
}

/// Draws who held the case.
pub(crate) fn timeline(page: &mut String, history: &History) -> std::fmt::Result {
    page.push_str("<section aria-labelledby=\"timeline\">\n<h2 id=\"timeline\">Who held the case</h2>\n");
    let Some(axis) = Axis::of(history, LEFT) else {
        return page.write_str("<p>No holding is known.</p>\n</section>\n");
    };
    let spoken: Vec<String> = history
        .timeline
        .iter()
        .map(|period| {
            let name = period.holder.as_ref().map_or_else(|| "nobody".to_owned(), shown);
            format!("from {} {name}", london::date_of(period.from))
        })
        .collect();
    open(page, "timeline", 92.0, &format!("Timeline: {}", spoken.join("; ")))?;
    page.push_str(NOBODY);
    axis.ticks(page, 18.0, 66.0)?;
    let fills = Fills::of(history);
    for period in &history.timeline {
        fills.bar(page, &axis, period, 25.0, BAR)?;
    }
    if let Some(asked) = history.as_of {
        let x = axis.x(asked);
        write!(
            page,
            "<line class=\"asked\" x1=\"{x:.1}\" y1=\"14\" x2=\"{x:.1}\" y2=\"66\"/>\
             <text class=\"tick\" x=\"{x:.1}\" y=\"11\" text-anchor=\"end\">asked about</text>"
        )?;
    }
    page.push_str("</svg></div>\n</section>\n");
    Ok(())
}

/// Draws what we thought at each time: downwards when we knew, to the right when it was true.
pub(crate) fn knowledge(page: &mut String, history: &History) -> std::fmt::Result {
    let (Some(axis), [_, _, ..]) = (Axis::of(history, 190.0), history.knowledge.as_slice()) else {
        return Ok(());
    };
    page.push_str(
        "<section aria-labelledby=\"knowledge\">\n<h2 id=\"knowledge\">What was true, and what was known</h2>\n\
         <p class=\"note\">Each row is what we thought from the time at its left until the row below. To the right \
         runs the time in the world. A row that changes something left of the last bar came late.</p>\n",
    );
    let row = 24.0;
    let bottom = 8.0 + row * history.knowledge.len() as f64;
    let title = format!(
        "Our knowledge of who held the case changed {} times; the table of entries has each change",
        history.knowledge.len()
    );
    open(page, "knowledge", bottom + 26.0, &title)?;
    page.push_str(NOBODY);
    axis.ticks(page, 4.0, bottom)?;
    let fills = Fills::of(history);
    for (index, belief) in history.knowledge.iter().enumerate() {
        let y = 6.0 + row * index as f64;
        write!(
            page,
            "<text class=\"tick\" x=\"{LEFT}\" y=\"{:.1}\">#{} {}</text>",
            y + 15.0,
            belief.position,
            london::date_time(belief.known_from)
        )?;
        for period in &belief.periods {
            fills.bar(page, &axis, period, y, row - 4.0)?;
        }
    }
    page.push_str("</svg></div>\n</section>\n");
    Ok(())
}
