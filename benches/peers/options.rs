//! What may be asked for.

use std::path::PathBuf;

use super::peers::{EVERYBODY, Peer};
use super::workloads::{self, Workload};

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) seaway: Option<PathBuf>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    pub(crate) port: Option<u16>,
    pub(crate) name: Option<String>,
    pub(crate) keep_results: bool,
    /// Nobody is bound to a core.
    pub(crate) unpinned: bool,
    /// Only say what there is.
    pub(crate) list: bool,
    pub(crate) quick: bool,
}

impl Options {
    /// From the arguments of the command line.
    ///
    /// # Errors
    /// What cannot be understood, in words.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            seaway: None,
            workloads: workloads::all(),
            peers: EVERYBODY.to_vec(),
            rounds: 5,
            seconds: 3,
            port: None,
            name: None,
            keep_results: true,
            unpinned: false,
            list: false,
            quick: arguments.iter().any(|a| a == "--quick"),
        };
        if options.quick {
            options.workloads.retain(|workload| workload.quick);
            (options.rounds, options.seconds) = (3, 1);
        }
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().cloned().ok_or_else(|| format!("{argument} wants a value"));
            let number = |text: String| {
                let number = text.parse::<u64>().ok().filter(|n| *n > 0);
                number.ok_or_else(|| format!("{argument} wants a number, not {text}"))
            };
            match argument.as_str() {
                "--bench" | "--quick" => {}
                "--seaway" => options.seaway = Some(PathBuf::from(value()?)),
                "--only" => options.workloads = only(&value()?)?,
                "--peers" => options.peers = peers(&value()?)?,
                "--rounds" => options.rounds = usize::try_from(number(value()?)?).unwrap_or(usize::MAX).min(1000),
                "--seconds" => options.seconds = number(value()?)?.min(3600),
                "--port" => {
                    let port = u16::try_from(number(value()?)?);
                    options.port = Some(port.map_err(|_| "--port wants a number below 65536".to_owned())?);
                }
                "--name" => options.name = Some(name(value()?)?),
                "--no-results" => options.keep_results = false,
                "--unpinned" => options.unpinned = true,
                "--list" => options.list = true,
                other => return Err(format!("{other} is unknown; scripts/bench --help lists the options")),
            }
        }
        Ok(options)
    }
}

fn only(text: &str) -> Result<Vec<Workload>, String> {
    let all = workloads::all();
    let wanted: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    // `routers` stands for every workload whose name begins so.
    let is_meant =
        |workload: &Workload, word: &str| workload.key == word || workload.key.starts_with(&format!("{word}-"));
    if let Some(unknown) = wanted.iter().find(|word| !all.iter().any(|w| is_meant(w, word))) {
        let keys: Vec<&str> = all.iter().map(|w| w.key).collect();
        return Err(format!("there is no workload {unknown}; there are: {}", keys.join(" ")));
    }
    Ok(all.into_iter().filter(|workload| wanted.iter().any(|word| is_meant(workload, word))).collect())
}

fn peers(text: &str) -> Result<Vec<Peer>, String> {
    let wanted: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !EVERYBODY.iter().any(|peer| peer.name() == **name)) {
        let names: Vec<&str> = EVERYBODY.iter().map(|peer| peer.name()).collect();
        return Err(format!("nobody is called {unknown}; there are: {}", names.join(" ")));
    }
    Ok(EVERYBODY.into_iter().filter(|peer| wanted.contains(&peer.name())).collect())
}

/// It becomes part of a path.
fn name(text: String) -> Result<String, String> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if plain { Ok(text) } else { Err("--name wants letters, digits and hyphens".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn without_options_everything_is_measured_thoroughly() {
        let options = parse("--bench").unwrap();
        assert_eq!((options.rounds, options.seconds, options.peers.len()), (5, 3, EVERYBODY.len()));
        assert_eq!(options.workloads.len(), workloads::all().len());
    }

    #[test]
    fn what_is_asked_for_by_name_beats_quick() {
        let options = parse("--only routers,sticky --quick --peers relay,nginx --rounds 4").unwrap();
        assert!(options.workloads.iter().all(|w| w.key == "sticky" || w.key.starts_with("routers-")));
        assert_eq!(options.peers, [Peer::Nginx, Peer::Relay]);
        assert_eq!((options.rounds, options.seconds), (4, 1));
    }

    #[test]
    fn mistakes_are_named_with_what_there_is() {
        assert!(parse("--only sticki").unwrap_err().contains("body-128"));
        assert!(parse("--peers apache2").unwrap_err().contains("apache"));
        for line in ["--rounds", "--rounds 0", "--seconds x", "--port 70000", "--name ../x", "--fast"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
