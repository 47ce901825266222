//! The documents: reference pages are made from what the program knows, and the rest says nothing that is not so.
//!
//! `BLESS=1` writes the generated pages anew.

mod check;
mod codes;
mod compatibility;
mod markdown;
mod reference;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

#[test]
fn generated_pages_are_what_the_program_knows() {
    let is_true = |(name, text): &&(&str, String)| std::fs::read_to_string(docs().join(name)).is_ok_and(|t| t == *text);
    let stale: Vec<&str> = generated().iter().filter(|page| !is_true(page)).map(|(name, _)| *name).collect();
    assert!(stale.is_empty(), "not what the program knows: {stale:?}; BLESS=1 writes them anew");
}

#[test]
fn every_code_is_explained_and_only_those() {
    codes::every_code_is_explained();
}

#[test]
fn every_option_of_traefiks_is_in_the_table() {
    compatibility::nothing_is_missing();
}

#[test]
fn what_is_said_not_to_work_is_refused() {
    compatibility::what_does_not_work_is_refused();
}

#[test]
fn links_lead_somewhere() {
    check::links(&all());
}

#[test]
fn examples_are_read_without_a_word() {
    check::examples(&all());
}

#[test]
fn options_that_are_named_exist() {
    check::flags(&all());
}

#[test]
fn metrics_that_are_named_exist_and_none_is_left_out() {
    check::metrics();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn docs() -> PathBuf {
    root().join("docs")
}

/// The pages that are made, by their paths below `docs`; written first where that is asked for.
fn generated() -> &'static [(&'static str, String)] {
    static PAGES: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    PAGES.get_or_init(|| {
        let mut pages = reference::pages();
        pages.push(("reference/diagnostics.md", codes::page()));
        pages.push(("compatibility.md", compatibility::page()));
        if std::env::var_os("BLESS").is_some() {
            for (name, text) in &pages {
                std::fs::write(docs().join(name), text).unwrap();
            }
        }
        pages
    })
}

/// Every page by its path below `docs`.
fn all() -> Vec<(String, String)> {
    generated();
    let mut pages = Vec::new();
    for folder in ["", "reference/"] {
        for entry in std::fs::read_dir(docs().join(folder)).unwrap().flatten() {
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            if name.ends_with(".md") {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                pages.push((name, text));
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 5, "the pages are where they are looked for");
    pages
}
