//! `--script "scale web=5; wait 2s; kill web"`: what is to be done, in order.

use std::time::Duration;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// The guided tour.
    Tour,
    /// So many replicas of a service.
    Scale(String, u32),
    /// End one replica without a warning.
    Kill(String),
    /// Replace every replica, one after the other.
    Redeploy(String),
    /// Let time pass.
    Wait(Duration),
    /// Visitors stop browsing.
    Pause,
    /// Visitors browse again.
    Resume,
}

/// Most replicas of one service: so many colours and digits there are.
pub(super) const MOST_REPLICAS: u32 = 9;
const LONGEST_WAIT: Duration = Duration::from_secs(600);
const KNOWN: &str = "tour, scale <service>=<n>, kill <service>, redeploy <service>, wait <time>, pause, resume";

/// Reads a script. Commands are separated by `;` or line ends; nothing at all means the tour.
pub(super) fn parse(script: &str, services: &[&str]) -> Result<Vec<Command>, String> {
    let parts = script.split([';', '\n']).map(str::trim).filter(|part| !part.is_empty());
    let commands = parts.map(|part| command(part, services)).collect::<Result<Vec<_>, _>>()?;
    Ok(if commands.is_empty() { vec![Command::Tour] } else { commands })
}

fn command(text: &str, services: &[&str]) -> Result<Command, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let service = |name: &str| {
        let known = services.contains(&name).then(|| name.to_owned());
        known.ok_or_else(|| format!("{text:?}: there is no service {name:?}; there are {}", services.join(" and ")))
    };
    match words.as_slice() {
        ["tour"] => Ok(Command::Tour),
        ["pause"] => Ok(Command::Pause),
        ["resume"] => Ok(Command::Resume),
        ["kill", name] => Ok(Command::Kill(service(name)?)),
        ["redeploy", name] => Ok(Command::Redeploy(service(name)?)),
        ["wait", time] => match duration(time).filter(|time| *time <= LONGEST_WAIT) {
            Some(time) => Ok(Command::Wait(time)),
            None => Err(format!("{text:?}: a time is written 500ms or 2s, and 600s is the longest")),
        },
        ["scale", wish] => {
            let (name, number) =
                wish.split_once('=').ok_or_else(|| format!("{text:?}: say how many, as in scale web=5"))?;
            match number.parse() {
                Ok(number) if number <= MOST_REPLICAS => Ok(Command::Scale(service(name)?, number)),
                _ => Err(format!("{text:?}: the number of replicas is from 0 to {MOST_REPLICAS}")),
            }
        }
        _ => Err(format!("{text:?} is not a command; there are: {KNOWN}")),
    }
}

/// `500ms`, `2s`, or seconds alone.
fn duration(text: &str) -> Option<Duration> {
    if let Some(milliseconds) = text.strip_suffix("ms") {
        return milliseconds.parse().ok().map(Duration::from_millis);
    }
    let seconds: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SERVICES: [&str; 2] = ["web", "api"];

    #[test]
    fn each_command_is_read() {
        let script =
            "scale web=5; wait 2s; kill web\n redeploy api ;; wait 500ms; pause; resume; tour; scale api=0; wait 0.5";
        assert_eq!(
            parse(script, &SERVICES).unwrap(),
            [
                Command::Scale("web".to_owned(), 5),
                Command::Wait(Duration::from_secs(2)),
                Command::Kill("web".to_owned()),
                Command::Redeploy("api".to_owned()),
                Command::Wait(Duration::from_millis(500)),
                Command::Pause,
                Command::Resume,
                Command::Tour,
                Command::Scale("api".to_owned(), 0),
                Command::Wait(Duration::from_millis(500)),
            ]
        );
    }

    #[test]
    fn nothing_means_the_tour() {
        for script in ["", " ", ";\n;"] {
            assert_eq!(parse(script, &SERVICES).unwrap(), [Command::Tour]);
        }
    }

    #[test]
    fn mistakes_are_told_with_the_command_and_what_would_be_right() {
        for (script, wanted) in [
            ("scale web=5; dance", "there are: tour"),
            ("scale web", "scale web=5"),
            ("scale web=10", "0 to 9"),
            ("scale web=-1", "0 to 9"),
            ("scale db=1", "web and api"),
            ("kill", "there are: tour"),
            ("wait long", "500ms"),
            ("wait 601s", "600s"),
            ("wait -1s", "500ms"),
            ("wait NaN", "500ms"),
            ("wait 1e400", "500ms"),
        ] {
            let error = parse(script, &SERVICES).unwrap_err();
            let last = script.rsplit("; ").next().unwrap();
            assert!(error.contains(wanted) && error.contains(last), "{script}: {error}");
        }
    }
}
