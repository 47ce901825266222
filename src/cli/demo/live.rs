//! The embedded demo by hand: visitors browse, Seaway's log runs, and keys change the pool. A script does the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use super::client::Target;
use super::journal::{Journal, Said};
use super::screen::{Screen, grouped};
use super::script::{Command, MOST_REPLICAS};
use super::stage::Stage;
use super::stage::embedded::{Embedded, SERVICES};
use super::tally::Tally;
use super::terminal::Keys;
use super::tour::{self, HOST, exchange_line};
use super::visitors::{Crowd, Habit, NAMES, Visitor};

/// So many browse; few enough that the log can be read.
const PEOPLE: usize = 6;
const EVERY: Duration = Duration::from_millis(1500);
const REDRAW: Duration = Duration::from_millis(250);

const HELP: &str = "\
+ −   one replica of web more or less     1…9   exactly so many
k     kill one without a warning          r     redeploy: replace one by one
p     visitors pause                      t     the guided tour
?     this help                           q     quit";

/// The demo for one person at a keyboard; true when nothing was lost.
pub(super) async fn interactive(
    stage: &Embedded,
    target: &Target,
    journal: &Journal,
    screen: &Screen,
) -> Result<bool, String> {
    let mut keys = Keys::take().map_err(|error| format!("the keyboard cannot be read: {error}"))?;
    let site = target.named(HOST);
    let (mut interrupt, mut terminate) = (stop_signal(SignalKind::interrupt())?, stop_signal(SignalKind::terminate())?);
    screen.line(
        &screen.paint().bold("Seaway, with everything in this process: the real proxy and small servers behind it."),
    );
    screen.line(&format!("Open {} in a browser, or watch {PEOPLE} visitors browse.", screen.paint().bold(&site.url())));
    screen.gap();
    help(screen);
    screen.gap();

    let mut show = Show::new(stage, &site, journal, screen);
    let mut redraw = tokio::time::interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let key = tokio::select! {
            key = keys.next() => key,
            () = show.news() => { show.print_news(); continue }
            _ = redraw.tick() => { show.status().await; continue }
            _ = interrupt.recv() => None,
            _ = terminate.recv() => None,
        };
        let Some(act) = key.and_then(|key| act(key, stage.replicas("web"))) else {
            if matches!(key, None | Some(b'q' | b'Q' | 4)) {
                break;
            }
            continue;
        };
        match act {
            Act::Help => help(screen),
            Act::Pause => show.toggle_pause(),
            Act::Do(Command::Tour) => {
                show.crowd.pause(true);
                let leave = async {
                    loop {
                        if matches!(keys.next().await, None | Some(b'q' | b'Q' | 4)) {
                            return;
                        }
                    }
                };
                let ended = tokio::select! {
                    result = tour::run(stage, target, journal, screen) => { show.all_well &= result?; false }
                    () = leave => true,
                    _ = interrupt.recv() => true,
                    _ = terminate.recv() => true,
                };
                if ended {
                    break;
                }
                show.skip_news();
                show.crowd.pause(show.paused);
                help(screen);
            }
            Act::Do(command) => show.perform(&command).await?,
        }
    }
    Ok(show.end().await)
}

/// Runs a script; true when nothing was lost.
pub(super) async fn scripted(
    stage: &Embedded,
    target: &Target,
    journal: &Journal,
    screen: &Screen,
    commands: &[Command],
) -> Result<bool, String> {
    // The tour brings its own visitors.
    if commands.iter().all(|command| *command == Command::Tour) {
        let mut all_well = true;
        for _ in commands {
            all_well &= tour::run(stage, target, journal, screen).await?;
        }
        return Ok(all_well);
    }
    let mut show = Show::new(stage, &target.named(HOST), journal, screen);
    for command in commands {
        if *command == Command::Tour {
            show.crowd.pause(true);
            show.all_well &= tour::run(stage, target, journal, screen).await?;
            show.skip_news();
            show.crowd.pause(show.paused);
        } else {
            show.perform(command).await?;
        }
    }
    Ok(show.end().await)
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Act {
    Do(Command),
    Pause,
    Help,
}

/// What a key means while there are so many replicas of web.
fn act(key: u8, replicas: u32) -> Option<Act> {
    let scale = |number: u32| Act::Do(Command::Scale("web".to_owned(), number.min(MOST_REPLICAS)));
    Some(match key {
        b'+' | b'=' => scale(replicas + 1),
        b'-' | b'_' => scale(replicas.saturating_sub(1)),
        b'1'..=b'9' => scale(u32::from(key - b'0')),
        b'k' => Act::Do(Command::Kill("web".to_owned())),
        b'r' => Act::Do(Command::Redeploy("web".to_owned())),
        b't' => Act::Do(Command::Tour),
        b'p' | b' ' => Act::Pause,
        b'?' | b'h' => Act::Help,
        _ => return None,
    })
}

/// Visitors, and the log that tells of them.
struct Show<'a> {
    stage: &'a Embedded,
    journal: &'a Journal,
    screen: &'a Screen,
    tally: Arc<Tally>,
    crowd: Crowd,
    paused: bool,
    /// What the log said before it has been printed.
    mark: usize,
    all_well: bool,
}

impl<'a> Show<'a> {
    fn new(stage: &'a Embedded, site: &Target, journal: &'a Journal, screen: &'a Screen) -> Self {
        let tally = Arc::default();
        let visitors = NAMES.iter().take(PEOPLE).map(|name| Visitor::new(name, site, &tally)).collect();
        let crowd = Crowd::start(visitors, EVERY, Habit::LookAndAsk);
        Self { stage, journal, screen, tally, crowd, paused: false, mark: journal.mark(), all_well: true }
    }

    async fn news(&self) {
        self.journal.beyond(self.mark).await;
    }

    fn skip_news(&mut self) {
        self.mark = self.journal.mark();
    }

    fn print_news(&mut self) {
        let paint = self.screen.paint();
        let news = self.journal.since(self.mark);
        self.skip_news();
        for said in news {
            match said {
                Said::Exchange(exchange) => {
                    for line in exchange_line(&exchange, paint) {
                        self.screen.line(&line);
                    }
                }
                Said::Pool(pool) => self.screen.line(&paint.warn(&format!("▶ {}", pool.text))),
                Said::Other(text) => self.screen.line(&paint.dim(&format!("▶ {text}"))),
            }
        }
    }

    /// Does what is asked for, while the log goes on.
    async fn perform(&mut self, command: &Command) -> Result<(), String> {
        let (stage, screen) = (self.stage, self.screen);
        let doing = async {
            match command {
                Command::Scale(service, number) => stage.scale(service, *number).await,
                Command::Kill(service) => {
                    if stage.kill(service).await.is_none() {
                        screen.line(&format!("{service} has no replica that could be killed"));
                    }
                    Ok(())
                }
                Command::Redeploy(service) => stage.redeploy(service).await,
                Command::Wait(time) => {
                    tokio::time::sleep(*time).await;
                    Ok(())
                }
                Command::Pause | Command::Resume | Command::Tour => Ok(()),
            }
        };
        let paint = self.screen.paint();
        match command {
            Command::Scale(service, number) => self.screen.line(&paint.bold(&format!("$ scale {service}={number}"))),
            Command::Kill(service) => self.screen.line(&paint.bold(&format!("$ kill {service}"))),
            Command::Redeploy(service) => self.screen.line(&paint.bold(&format!("$ redeploy {service}"))),
            Command::Pause => self.pause(true),
            Command::Resume => self.pause(false),
            Command::Wait(_) | Command::Tour => {}
        }
        let mut doing = std::pin::pin!(doing);
        loop {
            let journal = self.journal;
            let mark = self.mark;
            tokio::select! {
                result = &mut doing => { self.print_news(); return result }
                () = journal.beyond(mark) => self.print_news(),
            }
        }
    }

    fn toggle_pause(&mut self) {
        self.pause(!self.paused);
    }

    fn pause(&mut self, paused: bool) {
        self.paused = paused;
        self.crowd.pause(paused);
        let text = if paused { "visitors pause" } else { "visitors browse again" };
        self.screen.line(&self.screen.paint().bold(text));
    }

    /// The line at the bottom.
    async fn status(&self) {
        let paint = self.screen.paint();
        let mut parts = Vec::new();
        for service in SERVICES {
            let servers = self.stage.servers(service).await.unwrap_or_default();
            let digit = |s: &super::stage::Server| if s.ready { paint.number(&s.name) } else { paint.dim("·") };
            parts.push(format!("{service} {}", servers.iter().map(digit).collect::<Vec<_>>().join("")));
        }
        let count = self.tally.count();
        let lost = format!("{} lost", grouped(count.lost));
        let lost = if count.lost == 0 { paint.good(&lost) } else { paint.bad(&lost) };
        let keys = paint.dim("+ − 1…9 k r p t q ?");
        self.screen.live(&format!("{}  {} answered, {lost}  {keys}", parts.join("  "), grouped(count.answered)));
    }

    /// Lets visitors finish, and counts.
    async fn end(mut self) -> bool {
        self.crowd.finish().await;
        let news = self.journal.beyond(self.mark);
        let _quiet = tokio::time::timeout(Duration::from_millis(50), news).await;
        let (screen, paint, count) = (self.screen, self.screen.paint(), self.tally.count());
        self.mark = self.journal.mark();
        screen.gap();
        screen.line(&format!(
            "{} requests, {} answered, {} lost",
            grouped(count.sent()),
            grouped(count.answered),
            grouped(count.lost)
        ));
        for story in &count.stories {
            screen.line(&paint.bad(&format!("lost: {story}")));
        }
        self.all_well && count.lost == 0
    }
}

fn help(screen: &Screen) {
    for line in HELP.lines() {
        screen.line(&screen.paint().dim(line));
    }
}

fn stop_signal(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    signal(kind).map_err(|error| format!("cannot catch signals: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let scale = |number| Some(Act::Do(Command::Scale("web".to_owned(), number)));
        assert_eq!(act(b'+', 5), scale(6));
        assert_eq!(act(b'+', MOST_REPLICAS), scale(MOST_REPLICAS));
        assert_eq!(act(b'-', 5), scale(4));
        assert_eq!(act(b'-', 0), scale(0));
        assert_eq!(act(b'3', 5), scale(3));
        assert_eq!(act(b'k', 5), Some(Act::Do(Command::Kill("web".to_owned()))));
        assert_eq!(act(b'x', 5), None);
        assert_eq!(act(b'0', 5), None);
    }
}
