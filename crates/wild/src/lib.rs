//! What the race kit finds in released crates.
//!
//! Each test drives one crate and prints its row. `ci/wild` collects the rows, counts
//! them, and compares them with the table in the README of the kit.
#![forbid(unsafe_code)]

use hangup_test::{Fault, Report};

/// The versions of the crates are read from here.
const MANIFEST: &str = include_str!("../Cargo.toml");

/// One way in which one crate is driven.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    krate: &'static str,
    what: &'static str,
    known: Option<u8>,
}

impl Row {
    /// Names the crate and what is driven.
    #[must_use]
    pub const fn new(krate: &'static str, what: &'static str) -> Self {
        Self {
            krate,
            what,
            known: None,
        }
    }

    /// Does the same for a finding that earlier trials have numbered. `ci/wild` fails if
    /// one of them is missing.
    #[must_use]
    pub const fn known(number: u8, krate: &'static str, what: &'static str) -> Self {
        Self {
            krate,
            what,
            known: Some(number),
        }
    }

    /// Reports what the kit has found.
    ///
    /// # Panics
    ///
    /// Panics if the report is clean, or no fault is `expected`.
    #[track_caller]
    pub fn found(&self, report: &Report, expected: impl Fn(&Fault) -> bool) {
        assert!(!report.is_clean(), "nothing is found");
        let faults = report.failures().iter().map(|it| it.fault());
        assert!(faults.into_iter().any(expected), "{report}");
        let races: Vec<_> = report
            .races()
            .iter()
            .map(|race| format!("{race:?}"))
            .collect();
        let races = match races.is_empty() {
            true => "without a name".to_owned(),
            false => races.join(" "),
        };
        self.print(&format!("{} cases | finding {races}", report.cases()));
    }

    /// Reports that the kit has found nothing in at least `cases` cases.
    ///
    /// # Panics
    ///
    /// Panics if a case fails, or there are fewer.
    #[track_caller]
    pub fn clean(&self, report: &Report, cases: usize) {
        assert!(report.is_clean(), "{report}");
        assert!(report.cases() >= cases, "only {} cases", report.cases());
        self.print(&format!("{} cases | clean", report.cases()));
    }

    /// Reports that a program without the kit has shown the same.
    pub fn confirmed(&self) {
        self.print("confirmed");
    }

    fn print(&self, result: &str) {
        let known = self
            .known
            .map_or(String::new(), |it| format!(" | known {it}"));
        let (krate, version, what) = (self.krate, version(self.krate), self.what);
        println!("wild: {krate} {version} | {what} | {result}{known}");
    }
}

/// Returns the version that the manifest pins.
///
/// # Panics
///
/// Panics if the manifest does not pin the crate.
#[must_use]
pub fn version(krate: &str) -> &'static str {
    MANIFEST
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .find(|(name, _)| *name == krate)
        .and_then(|(_, pinned)| pinned.split('"').find_map(|text| text.strip_prefix('=')))
        .unwrap_or_else(|| panic!("`{krate}` is not pinned"))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn the_version_is_that_of_the_manifest_and_of_the_lock_file() {
        let lock = include_str!("../Cargo.lock");
        let manifest = include_str!("../Cargo.toml");
        let pinned = manifest.lines().filter(|line| line.contains("\"="));
        let names: Vec<_> = pinned.map(|line| line.split(' ').next().unwrap()).collect();
        assert!(names.len() >= 20, "{names:?}");
        for name in names {
            let version = version(name);
            let entry = format!("name = \"{name}\"\nversion = \"{version}\"");
            assert!(lock.contains(&entry), "{entry}");
        }
    }

    #[test]
    #[should_panic(expected = "is not pinned")]
    fn a_crate_that_is_not_pinned_has_no_version() {
        let _ = version("bytes");
    }
}
