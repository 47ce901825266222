//! `seaway check` from outside: exit codes, formats, our own examples, and an engine.

use std::path::Path;
use std::process::{Command, Output};

use seaway_testkit::engine::{FakeEngine, Spec};
use serde_json::Value;
use tempfile::TempDir;

fn check(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_seaway"))
        .arg("check")
        .args(arguments)
        .env_clear()
        .current_dir(folder)
        .output()
        .expect("it runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const GOOD: &str = "services:
  proxy:
    image: traefik:v3
    command: [--providers.docker, --entrypoints.web.address=:80]
  app:
    image: app
    labels:
      traefik.http.routers.app.rule: Host(`app.test`)
      traefik.http.routers.app.entrypoints: web
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn exit_codes() {
    let warns = GOOD.replace("    image: app\n", "    image: ${NOBODY_SET_THIS}\n");
    let fails = GOOD.replace("entrypoints: web", "entrypoints: wbe");
    let here = folder(&[("compose.yml", GOOD), ("warns.yml", &warns), ("fails.yml", &fails)]);
    for (arguments, code) in [
        (&[][..], 0),
        (&["compose.yml", "--strict"], 0),
        (&["warns.yml"], 0),
        (&["warns.yml", "--strict"], 1),
        (&["fails.yml"], 1),
        (&["compose.yml", "fails.yml"], 1),
        (&["fails.yml", "--entrypoints.wbe.address=:81"], 0),
        (&["none.yml"], 2),
        (&["--format=xml"], 2),
        (&["--nonsense"], 2),
        (&["--help"], 0),
    ] {
        let output = check(here.path(), arguments);
        let all = format!("{arguments:?}: {} {}", told(&output), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{all}");
    }
    let output = check(here.path(), &["fails.yml"]);
    let text = told(&output);
    assert!(text.starts_with("fails.yml:9: error SW0206 app traefik.http.routers.app.entrypoints: "), "{text}");
    assert!(text.contains("web"), "did you mean: {text}");
    assert_eq!(check(tempfile::tempdir().unwrap().path(), &[]).status.code(), Some(2), "no file is there");
}

#[test]
fn formats_for_programs() {
    let fails = GOOD.replace("entrypoints: web", "entrypoints: wbe");
    let here = folder(&[("compose.yaml", &fails)]);
    let json: Value = serde_json::from_str(&told(&check(here.path(), &["--format", "json"]))).unwrap();
    let found = &json["findings"][0];
    assert_eq!((json["version"].as_u64(), json["errors"].as_u64()), (Some(1), Some(1)), "{json:#}");
    assert_eq!((found["file"].as_str(), found["line"].as_u64()), (Some("compose.yaml"), Some(9)));
    for key in ["code", "severity", "service", "key", "message", "consequence", "fix"] {
        assert!(found[key].is_string(), "{key}: {found:#}");
    }
    let sarif: Value = serde_json::from_str(&told(&check(here.path(), &["--format=sarif"]))).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!((sarif["version"].as_str(), run["results"][0]["ruleId"].as_str()), (Some("2.1.0"), Some("SW0206")));
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "SW0206");
}

#[test]
fn files_of_the_proxy_are_read() {
    let compose = "services:
  proxy:
    image: traefik:v3
    volumes: ['./traefik.yml:/etc/traefik/traefik.yml:ro', './dynamic.yml:/rules/dynamic.yml']
  app:
    labels: { traefik.http.routers.app.rule: Host(`app.test`), traefik.http.routers.app.middlewares: slash@file }
";
    let statics = "entryPoints: { web: { address: ':80' } }
providers: { docker: {}, file: { filename: /rules/dynamic.yml } }
";
    let dynamic = "http: { middlewares: { slash: { addPrefix: { prefix: /x } } } }\n";
    let files = |dynamic: &str| folder(&[("compose.yml", compose), ("traefik.yml", statics), ("dynamic.yml", dynamic)]);
    let output = check(files(dynamic).path(), &[]);
    assert_eq!(told(&output), "nothing is wrong\n");
    let output = check(files(&dynamic.replace("slash", "slsh")).path(), &[]);
    assert!(told(&output).contains("compose.yml:6: error SW0203"), "{}", told(&output));
    let output = check(files(&dynamic.replace("prefix:", "prefx:")).path(), &[]);
    assert!(told(&output).contains("dynamic.yml:1: error SW0101"), "{}", told(&output));
}

#[test]
fn our_own_examples_are_clean() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for entry in std::fs::read_dir(root.join("deploy/examples")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("docker-compose.yml").is_file() {
            continue;
        }
        seen += 1;
        let output = check(&folder, &["--strict"]);
        let text = told(&output);
        if folder.ends_with("20-networks") {
            // This one shows what a server looks like that nobody can reach.
            assert!(text.contains("error SW0304 worker") && text.ends_with("1 error, 0 warnings\n"), "{text}");
            continue;
        }
        assert_eq!(output.status.code(), Some(0), "{}: {text}", folder.display());
    }
    assert!(seen >= 5, "examples: {seen}");
    assert_eq!(check(root, &["--strict"]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_engine_is_checked() {
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("good").port(80).label("traefik.http.routers.good.rule", "Host(`good.test`)"));
    let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
    let here = tempfile::tempdir().unwrap();
    let run = |arguments: Vec<String>| {
        let path = here.path().to_owned();
        tokio::task::spawn_blocking(move || check(&path, &arguments.iter().map(String::as_str).collect::<Vec<_>>()))
    };
    let arguments = || vec!["--docker".to_owned(), endpoint.clone()];
    let output = run(arguments()).await.unwrap();
    assert_eq!((output.status.code(), told(&output).as_str()), (Some(0), "nothing is wrong\n"));
    engine.run(Spec::new("bad").port(80).label("traefik.http.routers.bad.rul", "Host(`bad.test`)"));
    let output = run(arguments()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).starts_with("error SW0101 bad traefik.http.routers.bad.rul: "), "{}", told(&output));
    let absent = vec!["--docker".to_owned(), "--providers.docker.endpoint=unix:///nowhere/x.sock".to_owned()];
    assert_eq!(run(absent).await.unwrap().status.code(), Some(2));
}
