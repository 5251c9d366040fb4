//! The figures of all rounds: medians with the least and the greatest, as a table and as JSON.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};

/// The figures of one row, by round.
#[derive(Debug, Clone, Default)]
struct Figures {
    unit: &'static str,
    values: Vec<f64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: BTreeMap<String, Figures>,
    order: Vec<String>,
}

impl Report {
    /// Adds the figure of this round.
    pub(crate) fn add(&mut self, row: impl Into<String>, unit: &'static str, value: f64) {
        let row = row.into();
        eprintln!("    {row:<58} {:>12} {unit}", readable(value));
        if !self.rows.contains_key(&row) {
            self.order.push(row.clone());
        }
        let figures = self.rows.entry(row).or_default();
        figures.unit = unit;
        figures.values.push(value);
    }

    /// Adds the share of one row in another, both of this round.
    pub(crate) fn share(&mut self, row: impl Into<String>, part: f64, whole: f64) {
        if whole > 0.0 {
            self.add(row, "x", part / whole);
        }
    }

    /// The figure of the last round.
    pub(crate) fn last(&self, row: &str) -> Option<f64> {
        self.rows.get(row)?.values.last().copied()
    }

    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| row | median | least | greatest | unit | rounds |\n| --- | ---: | ---: | ---: | --- | ---: |\n",
        );
        for row in &self.order {
            let Some(figures) = self.rows.get(row) else { continue };
            let [least, median, greatest] = spread(&figures.values).map(readable);
            let (unit, rounds) = (figures.unit, figures.values.len());
            table += &format!("| {row} | {median} | {least} | {greatest} | {unit} | {rounds} |\n");
        }
        table
    }

    pub(crate) fn write_json(&self, file: &Path, machine: &str) -> anyhow::Result<()> {
        let rows: Vec<Value> = self.order.iter().filter_map(|row| self.row(row)).collect();
        let report = json!({ "at": chrono::Utc::now(), "machine": machine, "rows": rows });
        std::fs::write(file, serde_json::to_string_pretty(&report)?)?;
        Ok(())
    }

    fn row(&self, row: &str) -> Option<Value> {
        let figures = self.rows.get(row)?;
        let [least, median, greatest] = spread(&figures.values);
        Some(json!({ "row": row, "unit": figures.unit, "median": median, "min": least, "max": greatest,
                     "values": figures.values }))
    }
}

fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let last = sorted.len().saturating_sub(1);
    [at(0), f64::midpoint(at(last / 2), at(last.div_ceil(2))), at(last)]
}

/// The value at a share of a sorted list.
pub(crate) fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

fn readable(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}
