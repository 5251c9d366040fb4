//! Reads the pages and the sources that they are compared with.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Page {
    pub(super) fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap()
    }

    /// What stands between single backticks, outside code blocks.
    pub(super) fn code_spans(&self) -> Vec<&str> {
        // Odd parts are inside a fence.
        let prose = self.text.split("```").step_by(2);
        prose.flat_map(|text| text.lines()).flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
    }

    /// The targets of links and images.
    pub(super) fn links(&self) -> Vec<&str> {
        self.text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
            .collect()
    }
}

/// Every page of the project.
pub(super) fn all() -> Vec<Page> {
    let mut pages: Vec<PathBuf> = files(&root().join("docs"), "md");
    pages.extend(["README.md", "tests/faults/README.md", "deploy/README.md"].map(|page| root().join(page)));
    pages.into_iter().map(Page::read).collect()
}

/// All files below the directory with this extension; every file when the extension is empty.
pub(super) fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if extension.is_empty() || path.extension() == Some(OsStr::new(extension)) {
            found.push(path);
        }
    }
    found
}

/// The text of everything that the documentation can refer to.
pub(super) fn sources() -> String {
    let mut paths: Vec<PathBuf> = ["src", "tests", "migrations", "deploy", "benches"]
        .iter()
        .flat_map(|room| files(&root().join(room), ""))
        .collect();
    paths.push(root().join("Makefile"));
    paths.push(root().join("Cargo.toml"));
    paths.retain(|path| path.extension() != Some(OsStr::new("md")));
    // Not every file is text.
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect::<Vec<_>>().join("\n")
}
