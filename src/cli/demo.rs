//! `seaway demo`: scaling and sticky sessions, to be seen and touched. Without arguments everything happens in this process
//! and no Docker is needed; with `--compose` the tour goes through a Compose project that runs already.

mod client;
mod journal;
mod live;
mod screen;
mod script;
mod stage;
mod tally;
mod terminal;
mod tour;
mod visitors;

use std::io::{IsTerminal, stdin};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use client::Target;
use journal::Journal;
use screen::Screen;
use script::Command;
use stage::compose::Compose;
use stage::embedded::{Embedded, SERVICES};
use stage::{Stage, settled};

use super::USAGE;

const HELP: &str = "\
seaway demo: see scaling and sticky sessions, with real requests

  seaway demo                     visitors, the log and a few keys; no Docker needed
  seaway demo --script            the guided tour, then the end
  seaway demo --script \"scale web=5; wait 2s; kill web; wait 2s; scale web=2; wait 2s\"
                                  these commands: tour, scale <service>=<n>, kill <service>,
                                  redeploy <service>, wait <time>, pause, resume
  seaway demo --compose --against http://127.0.0.1:8080 --api http://127.0.0.1:8081 --compose-project seaway
                                  the guided tour of docker-compose.yml, which must be running

The exit code is 1 when a request was lost.";

/// How long the first servers have to be ready.
const START: Duration = Duration::from_secs(10);

/// Runs the sub-command. Mistakes in the arguments end with exit code 2; with 1 what could not be shown, or lost a request.
pub(super) fn run(arguments: &[String]) -> ExitCode {
    if arguments.iter().any(|a| matches!(a.as_str(), "--help" | "-h" | "-help" | "help")) {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let wish = match Wish::parse(arguments) {
        Ok(wish) => wish,
        Err(mistake) => {
            eprintln!("seaway: demo: {mistake}\n\n{HELP}");
            return ExitCode::from(USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let result = runtime.block_on(show(wish));
        runtime.shutdown_timeout(Duration::from_millis(100));
        result
    });
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("seaway: demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    /// Keys where there is a terminal, else the tour.
    Whatever,
    Script(Vec<Command>),
    Compose {
        against: Target,
        api: Target,
        project: String,
    },
}

impl Wish {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut script = None;
        let mut compose = false;
        let (mut against, mut api, mut project) = (None, None, None);
        let mut words = arguments.iter().map(String::as_str).peekable();
        while let Some(word) = words.next() {
            let (option, mut value) = match word.split_once('=') {
                Some((option, value)) => (option, Some(value)),
                None => (word, None),
            };
            let inline = value.is_some();
            let mut needed = |words: &mut dyn Iterator<Item = &'_ str>| -> Result<String, String> {
                let found = value.take().map(ToOwned::to_owned).or_else(|| words.next().map(ToOwned::to_owned));
                found.filter(|text| !text.is_empty()).ok_or_else(|| format!("{option} needs a value"))
            };
            match option {
                "--compose" if word == option => compose = true,
                "--against" => against = Some(Target::parse(&needed(&mut words)?)?),
                "--api" => api = Some(Target::parse(&needed(&mut words)?)?),
                "--compose-project" => project = Some(needed(&mut words)?),
                "--script" => {
                    let follows = words.peek().is_some_and(|next| !next.starts_with("--"));
                    let text = if inline || follows { needed(&mut words)? } else { String::new() };
                    script = Some(script::parse(&text, &SERVICES)?);
                }
                _ => return Err(format!("there is no option {word:?}")),
            }
        }
        match (compose, script) {
            (true, Some(_)) => Err("--script is for the embedded demo; --compose always gives the tour".to_owned()),
            (true, None) => Ok(Self::Compose {
                against: against.ok_or("--compose needs --against <the URL that Seaway serves>")?,
                api: api.ok_or("--compose needs --api <the URL of Seaway's API>")?,
                project: project.ok_or("--compose needs --compose-project <name>")?,
            }),
            (false, _) if against.is_some() || api.is_some() || project.is_some() => {
                Err("--against, --api and --compose-project belong to --compose".to_owned())
            }
            (false, Some(commands)) => Ok(Self::Script(commands)),
            (false, None) => Ok(Self::Whatever),
        }
    }
}

async fn show(wish: Wish) -> Result<bool, String> {
    let screen = Screen::new();
    let journal = Arc::new(Journal::default());
    let commands = match wish {
        Wish::Compose { against, api, project } => {
            let stage = Compose::open(&project, api, &journal).await?;
            return tour::run(&stage, &against, &journal, &screen).await;
        }
        Wish::Script(commands) => Some(commands),
        Wish::Whatever if screen.is_terminal() && stdin().is_terminal() => None,
        Wish::Whatever => Some(vec![Command::Tour]),
    };
    let stage = Embedded::start(&journal)?;
    let result = embedded(&stage, &journal, &screen, commands).await;
    stage.end();
    result
}

async fn embedded(
    stage: &Embedded,
    journal: &Journal,
    screen: &Screen,
    commands: Option<Vec<Command>>,
) -> Result<bool, String> {
    let target = Target::parse(&format!("http://{}", stage.address()))?;
    for (service, replicas) in [("web", 5), ("api", 2)] {
        stage.scale(service, replicas).await?;
        settled(stage, service, replicas as usize, START).await?;
    }
    match commands {
        Some(commands) => live::scripted(stage, &target, journal, screen, &commands).await,
        None => live::interactive(stage, &target, journal, screen).await,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;

    /// The whole of it, without Docker: real requests through the real proxy.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_tour_loses_nothing_and_says_so() {
        let paper = Paper::default();
        let screen = Screen::plain(paper.clone());
        let journal = Arc::new(Journal::default());
        let stage = Embedded::start(&journal).unwrap();
        let well = embedded(&stage, &journal, &screen, Some(vec![Command::Tour])).await.unwrap();
        stage.end();
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert!(well, "{text}");
        for wanted in ["api-1 api-2 api-1 api-2", "web-5 says: ", " of the twenty moved", "Nobody moved", "✓"] {
            assert!(text.contains(wanted), "{wanted:?} is missing in\n{text}");
        }
        assert!(!text.contains('\x1b'), "colours without a terminal");
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{widest:?} columns");
    }

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn parse(line: &str) -> Result<Wish, String> {
        Wish::parse(&line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn arguments() {
        assert_eq!(parse(""), Ok(Wish::Whatever));
        assert_eq!(parse("--script"), Ok(Wish::Script(vec![Command::Tour])));
        assert_eq!(parse("--script tour;pause"), Ok(Wish::Script(vec![Command::Tour, Command::Pause])));
        assert_eq!(parse("--script=pause"), Ok(Wish::Script(vec![Command::Pause])));
        let Ok(Wish::Compose { project, .. }) =
            parse("--compose --against http://127.0.0.1:8080 --api=http://127.0.0.1:8081 --compose-project seaway")
        else {
            panic!("not understood")
        };
        assert_eq!(project, "seaway");
    }

    #[test]
    fn mistakes_are_told_in_words() {
        for (line, wanted) in [
            ("--scrip", "no option \"--scrip\""),
            ("--compose=yes", "no option"),
            ("--compose", "--against"),
            ("--compose --against", "needs a value"),
            ("--compose --against ftp://a --api b", "http://"),
            ("--compose --script tour", "--script is for the embedded demo"),
            ("--api http://127.0.0.1:1", "belong to --compose"),
            ("--script dance", "not a command"),
        ] {
            let mistake = parse(line).unwrap_err();
            assert!(mistake.contains(wanted), "{line}: {mistake}");
        }
    }
}
