//! The walls of the house: who may depend on whom, and how the files look.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each crate may use of the others. Tests may use `testkit` beside that.
const ALLOWED: &[(&str, &[&str])] = &[
    ("rule", &[]),
    ("config", &[]),
    ("head", &[]),
    ("labels", &["config"]),
    ("middleware", &["config", "head"]),
    ("routing", &["config", "head", "middleware", "rule"]),
    ("telemetry", &["config"]),
    ("proxy", &["config", "head", "middleware", "routing", "telemetry"]),
    ("provider", &["config", "labels", "routing"]),
    ("admin", &["config", "routing", "telemetry"]),
    ("stages", &["config", "head", "middleware", "routing", "telemetry"]),
    ("testkit", &[]),
    ("demo-app", &[]),
];

#[test]
fn crates_depend_only_on_the_rooms_below_them() {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("name");
        let Some(room) = name.strip_prefix("seaway-") else {
            assert_eq!(name, "seaway", "a crate that is no room of the house");
            continue;
        };
        let uses = allowed.get(room).unwrap_or_else(|| panic!("{room} is a new room: say here what it may use"));
        seen.insert(room);
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let Some(other) = dependency["name"].as_str().and_then(|n| n.strip_prefix("seaway-")) else { continue };
            let for_tests = dependency["kind"] == "dev" && other == "testkit";
            assert!(for_tests || uses.contains(other), "{room} must not depend on {other}");
        }
    }
    assert_eq!(seen, allowed.keys().copied().collect(), "every room is in the list, and only rooms are");
}

#[test]
fn pure_rooms_do_no_io_and_read_no_clock() {
    let forbidden = [
        "std::fs",
        "std::net::Tcp",
        "std::thread",
        "Instant::now",
        "SystemTime::now",
        "tokio::net",
        "tokio::time",
        "tokio::spawn",
    ];
    let mut wrong = Vec::new();
    for room in ["rule", "config", "head", "labels", "middleware", "routing"] {
        for file in sources(&root().join("crates").join(room).join("src")) {
            if is_test_file(&file) {
                continue;
            }
            let text = std::fs::read_to_string(&file).expect("a source file");
            let code = text.split("\nmod tests {").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                if !line.trim_start().starts_with("//") && forbidden.iter().any(|f| line.contains(f)) {
                    wrong.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_of_a_size_that_a_person_reads() {
    let mut wrong = Vec::new();
    for folder in ["src", "crates", "tests", "deploy/demo-app"] {
        for file in sources(&root().join(folder)) {
            assert_ne!(file.file_name().and_then(|n| n.to_str()), Some("mod.rs"), "{}", file.display());
            let lines = std::fs::read_to_string(&file).expect("a source file").lines().count();
            if lines > 600 {
                wrong.push(format!("{}: {lines} lines", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "files over 600 lines:\n{}", wrong.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn is_test_file(file: &Path) -> bool {
    let name = file.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
    matches!(name, "tests" | "testing" | "properties" | "golden") || file.components().any(|c| c.as_os_str() == "tests")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found
}
