//! The guided tour: who is there, round robin, sessions that stay, scaling down and up under load, and the count.

mod story;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::client::{Client, Target};
use super::journal::{Journal, Pool, Said};
use super::screen::{Paint, Screen, grouped};
use super::stage::{Roster, Server, Stage, settled};
use super::tally::{Count, Judged, Tally};
use super::visitors::{Crowd, Habit, NAMES, Seen, Visitor, path_of};
pub(super) use story::exchange_line;
use story::{explain, in_a_row, tally_lines};

/// The host that the services' rules name.
pub(super) const HOST: &str = "app.localhost";

/// Each visitor looks so often: twenty of them make 133 requests a second.
const LOOK_EVERY: Duration = Duration::from_millis(150);
const ORDER_EVERY: Duration = Duration::from_millis(100);
/// Containers that start or stop have that long.
const SETTLE: Duration = Duration::from_secs(30);
/// Seaway's log has that long to get here.
const LOG_WAIT: Duration = Duration::from_secs(3);
/// So long the crowd is watched before and after a change.
const WATCH: Duration = Duration::from_millis(1500);
const REDRAW: Duration = Duration::from_millis(100);

/// How many replicas of `web` there are before and after scaling down.
const MANY: u32 = 5;
const FEW: u32 = 2;

/// Shows people around; true when nothing was lost and nobody was moved without need.
pub(super) async fn run<S: Stage>(
    stage: &S,
    target: &Target,
    journal: &Journal,
    screen: &Screen,
) -> Result<bool, String> {
    let mut tour = Tour {
        stage,
        target: target.named(HOST),
        journal,
        screen,
        paint: screen.paint(),
        tally: Arc::default(),
        roster: Roster::default(),
        started: Instant::now(),
    };
    tour.who_is_there().await?;
    tour.round_robin().await?;
    let (visitors, followed) = tour.sessions().await?;
    let mut crowd = Crowd::start(visitors, LOOK_EVERY, Habit::Look);
    crowd.and_order(&tour.target, &tour.tally, ORDER_EVERY);
    let down = tour.scale_down(&crowd, &followed).await?;
    let up = tour.scale_up(&crowd).await?;
    crowd.finish().await;
    Ok(tour.count(&down, &up))
}

/// `a b c …`: the twenty, by the first letter of their names.
fn initials() -> String {
    NAMES.iter().map(|name| name.get(..1).unwrap_or("?")).collect::<Vec<_>>().join(" ")
}

struct Tour<'a, S> {
    stage: &'a S,
    target: Target,
    journal: &'a Journal,
    screen: &'a Screen,
    paint: Paint,
    tally: Arc<Tally>,
    roster: Roster,
    started: Instant,
}

impl<S: Stage> Tour<'_, S> {
    async fn who_is_there(&mut self) -> Result<(), String> {
        let (screen, paint) = (self.screen, self.paint);
        screen.gap();
        screen.line(&format!("{} {}", paint.bold("A tour of Seaway at"), paint.bold(&self.target.url())));
        screen.line(&paint.dim(&self.stage.hint()));
        if self.stage.servers("web").await?.len() != MANY as usize {
            self.stage.scale("web", MANY).await?;
        }
        let web = settled(self.stage, "web", MANY as usize, SETTLE).await?;
        let api = self.stage.servers("api").await?;
        if api.is_empty() {
            return Err("Seaway knows no service api; the tour is for docker-compose.yml of this repository".to_owned());
        }
        let api = settled(self.stage, "api", api.len(), SETTLE).await?;
        self.roster.add(&web);
        self.roster.add(&api);

        screen.title(1, "Who is there");
        screen.say("Seaway found these containers by their labels. There is no list of them in any file.");
        let names = |servers: &[Server]| servers.iter().map(|s| paint.replica(&s.name)).collect::<Vec<_>>().join(" ");
        screen.item(&format!("{}   {}", paint.bold("web"), names(&web)));
        screen.item(&paint.dim("      people log in here, and one replica's memory holds the login: visitors stay"));
        screen.item(&format!("{}   {}", paint.bold("api"), names(&api)));
        screen.item(&paint.dim("      remembers nothing: any replica may answer"));
        self.breathe(3).await;
        Ok(())
    }

    async fn round_robin(&mut self) -> Result<(), String> {
        let (screen, paint) = (self.screen, self.paint);
        screen.title(2, "Round robin: ten requests to api");
        let mut client = Client::new(self.target.clone());
        let mut replicas = Vec::new();
        for _ in 0..10 {
            let result = client.get("/api/animals").await;
            let answer = self.tally.note("GET /api/animals", result).ok_or_else(|| self.went_wrong())?;
            replicas.push(self.roster.name(answer.replica.as_deref().unwrap_or("?")).to_owned());
            screen.live(&format!("   GET /api/animals → {}", in_a_row(&replicas, paint)));
            self.beat().await;
        }
        screen.item(&format!("GET /api/animals → {}", in_a_row(&replicas, paint)));
        for line in tally_lines(&replicas, paint) {
            screen.item(&line);
        }
        screen.say("Each replica in its turn. Nobody has to be remembered, so no cookie is set.");
        self.breathe(3).await;
        Ok(())
    }

    /// Twenty people log in; the one that the tour follows is on a replica that will be stopped.
    async fn sessions(&mut self) -> Result<(Vec<Visitor>, String), String> {
        let (screen, paint) = (self.screen, self.paint);
        screen.title(3, "Sessions that stay: twenty people log in to web");
        let mut visitors: Vec<Visitor> =
            NAMES.iter().map(|name| Visitor::new(name, &self.target, &self.tally)).collect();
        let mut places = Vec::new();
        let mut cookies = Vec::new();
        for visitor in &mut visitors {
            let answer = visitor.log_in().await.ok_or_else(|| self.went_wrong())?;
            places.push(self.roster.name(answer.replica.as_deref().unwrap_or("?")).to_owned());
            cookies.push(answer.cookies.iter().find(|c| c.starts_with("session=")).cloned().unwrap_or_default());
        }
        for line in tally_lines(&places, paint) {
            screen.item(&line);
        }
        // Replicas are stopped from the highest number down.
        let last = places.iter().max_by(|a, b| seaway_config::model::natural_order(a, b)).cloned().unwrap_or_default();
        let place = places.iter().position(|at| *at == last).unwrap_or(0);
        let (Some(visitor), Some(cookie)) = (visitors.get_mut(place), cookies.get(place)) else {
            return Err("nobody could log in".to_owned());
        };
        let name = visitor.name.clone();
        let cookie = cookie.split(';').next().unwrap_or_default();
        screen.say(&format!(
            "We follow {}. The login exists only in the memory of {}, and Seaway's cookie {} leads back there:",
            paint.bold(&name),
            paint.replica(&last),
            paint.bold(cookie)
        ));
        let mut replicas = Vec::new();
        for _ in 0..8 {
            let answer = visitor.look().await.ok_or_else(|| self.went_wrong())?;
            replicas.push(self.roster.name(answer.replica.as_deref().unwrap_or("?")).to_owned());
            screen.live(&format!("   with the cookie     {}", in_a_row(&replicas, paint)));
            self.beat().await;
        }
        screen.item(&format!("with the cookie     {}", in_a_row(&replicas, paint)));
        screen.item(&paint.dim(&format!("                    {} says: {}", last, visitor.seen().message)));
        let mut replicas = Vec::new();
        for _ in 0..8 {
            // A new client each time: nobody whom Seaway has seen before.
            let result = Client::new(self.target.clone()).get("/whoami").await;
            let answer = self.tally.note("GET /whoami", result).ok_or_else(|| self.went_wrong())?;
            replicas.push(self.roster.name(answer.replica.as_deref().unwrap_or("?")).to_owned());
        }
        screen.item(&format!("without any cookie  {}", in_a_row(&replicas, paint)));
        self.breathe(4).await;
        Ok((visitors, name))
    }

    async fn scale_down(&mut self, crowd: &Crowd, followed: &str) -> Result<Judged, String> {
        let (screen, paint) = (self.screen, self.paint);
        screen.title(4, &format!("Scale web from {MANY} to {FEW} while they browse"));
        screen.say(&format!(
            "They send {} requests a second, and others post {} orders a second. Each column below is one of the twenty; \
             the digit is the replica that answered last.",
            Duration::from_secs(NAMES.len() as u64).as_millis() / LOOK_EVERY.as_millis(),
            Duration::from_secs(1).as_millis() / ORDER_EVERY.as_millis()
        ));
        let before = self.stage.servers("web").await?;
        screen.item(&paint.dim(&format!("{:<7} {}", "", initials())));
        self.show_crowd_for(crowd, "before", WATCH).await;
        let mark = self.journal.mark();
        screen.item(&paint.bold(&format!("$ {}", self.stage.command("web", FEW))));
        let after = {
            let change = async {
                self.stage.scale("web", FEW).await?;
                settled(self.stage, "web", FEW as usize, SETTLE).await
            };
            self.show_crowd_while(crowd, "now", change).await?
        };
        self.tell_pools(mark, FEW as usize).await;
        let stayed: BTreeSet<String> = after.iter().map(|server| self.roster.first_name(server)).collect();
        let all = before.iter().map(|server| self.roster.first_name(server));
        let told: BTreeSet<String> = all.filter(|name| !stayed.contains(name)).collect();
        // Everybody comes by at least once more.
        let all_moved = async {
            while self.places(crowd).iter().any(|place| !stayed.contains(place)) {
                tokio::time::sleep(REDRAW / 4).await;
            }
        };
        let _in_time = tokio::time::timeout(LOG_WAIT, all_moved).await.is_ok();
        self.show_crowd_for(crowd, "after", WATCH).await;

        let judged = Judged::new(self.named_moves(crowd), &told);
        let list = told.iter().map(|name| paint.replica(name)).collect::<Vec<_>>().join(", ");
        screen.say(&format!(
            "{} of the twenty moved: they had been with {list}, which had been told to stop.{}",
            paint.bold(&judged.sessions().to_string()),
            if judged.needless.is_empty() { " The others noticed nothing." } else { "" },
        ));
        self.tell_needless(&judged);
        self.tell_story(crowd, followed, mark, &judged).await;
        self.breathe(5).await;
        Ok(judged)
    }

    /// Why one session moved, in Seaway's own words and in plain ones.
    async fn tell_story(&self, crowd: &Crowd, followed: &str, mark: usize, judged: &Judged) {
        let (screen, paint) = (self.screen, self.paint);
        let of = |name: &str| judged.needed.iter().find(|m| m.visitor == name);
        let Some(moved) = of(followed).or_else(|| judged.needed.first()) else { return };
        let path = path_of(&moved.visitor);
        let wanted = |said: &Said| match said {
            Said::Exchange(e) if e.sticky == "moved" && e.path() == path => Some(e.clone()),
            _ => None,
        };
        let line = self.journal.wait_for(mark, LOG_WAIT, wanted).await;
        screen.say(&format!(
            "What happened to {}, as Seaway's access log has it (shortened):",
            paint.bold(&moved.visitor)
        ));
        if let Some(exchange) = &line {
            for part in exchange_line(exchange, paint) {
                screen.item(&part);
            }
        } else {
            screen.item(&paint.dim(&format!("(no line about GET {path} was found; the answers themselves tell)")));
        }
        screen.say(&explain(moved, line.as_ref(), paint));
        let seen: Option<Seen> =
            crowd.seen().into_iter().find(|(name, _)| *name == moved.visitor).map(|(_, seen)| seen);
        if let Some(seen) = seen.filter(|seen| seen.logins > 1) {
            screen.say(&format!(
                "The login itself was in the memory of {} and ended with it, so {} had to log in again ({} logins by now): \
                 a proxy can lead visitors elsewhere, it cannot move what a replica remembers.",
                paint.replica(&moved.from),
                moved.visitor,
                seen.logins
            ));
        }
    }

    async fn scale_up(&mut self, crowd: &Crowd) -> Result<Judged, String> {
        let (screen, paint) = (self.screen, self.paint);
        screen.title(5, &format!("Back to {MANY}"));
        let moves_before = crowd.moves().len();
        let mark = self.journal.mark();
        screen.item(&paint.bold(&format!("$ {}", self.stage.command("web", MANY))));
        let servers = {
            let change = async {
                self.stage.scale("web", MANY).await?;
                settled(self.stage, "web", MANY as usize, SETTLE).await
            };
            self.show_crowd_while(crowd, "now", change).await?
        };
        self.roster.add(&servers);
        self.tell_pools(mark, MANY as usize).await;
        self.show_crowd_for(crowd, "after", WATCH).await;
        let new: Vec<_> = self.named_moves(crowd).into_iter().skip(moves_before).collect();
        let judged = Judged::new(new, &BTreeSet::new());
        let mut places = Vec::new();
        for number in 1..=5 {
            let mut visitor = Visitor::new(&format!("new{number}"), &self.target, &self.tally);
            let answer = visitor.log_in().await.ok_or_else(|| self.went_wrong())?;
            places.push(self.roster.name(answer.replica.as_deref().unwrap_or("?")).to_owned());
        }
        if judged.needless.is_empty() {
            screen.say("Nobody moved: whoever has a replica keeps it. New visitors get the new ones too:");
        }
        screen.item(&format!("five new visitors   {}", in_a_row(&places, paint)));
        self.tell_needless(&judged);
        self.breathe(3).await;
        Ok(judged)
    }

    /// The figures; true when all is well.
    fn count(&self, down: &Judged, up: &Judged) -> bool {
        let (screen, paint) = (self.screen, self.paint);
        let count: Count = self.tally.count();
        let needless = down.needless.len() + up.needless.len();
        let sessions = down.sessions() + up.sessions();
        screen.title(6, "The count");
        let row = |name: &str, number: u64, note: &str, good: bool| {
            let figure = format!("{:>7}", grouped(number));
            let figure = if good { paint.bold(&figure) } else { paint.bad(&figure) };
            screen.item(&format!("{name:<22}{figure}   {}", paint.dim(note)));
        };
        let note = format!("in {:.0} s", self.started.elapsed().as_secs_f64());
        row("requests sent", count.sent(), &note, true);
        row("answered", count.answered, "", true);
        row("lost", count.lost, "no answer, or an error", count.lost == 0);
        row("orders taken", count.orders, "part of them; POSTs, which must not be repeated", true);
        row("orders taken twice", count.twice, "", count.twice == 0);
        row("sessions that moved", sessions as u64, "away from replicas that had been told to stop", true);
        row("moved without need", needless as u64, "", needless == 0);
        for story in &count.stories {
            screen.item(&paint.bad(&format!("lost: {story}")));
        }
        screen.gap();
        let well = count.lost == 0 && count.twice == 0 && needless == 0;
        if well {
            screen.item(&paint.good("✓ Nothing was lost, and nobody was moved without need."));
        } else {
            screen.item(&paint.bad("✗ That is not as it should be."));
        }
        screen.gap();
        well
    }

    // --- while they browse ----------------------------------------------------------------------------------------

    /// Runs `change` and shows meanwhile where everybody is.
    async fn show_crowd_while<T>(&self, crowd: &Crowd, label: &str, change: impl Future<Output = T>) -> T {
        let mut change = std::pin::pin!(change);
        let mut redraw = tokio::time::interval(REDRAW);
        loop {
            tokio::select! {
                result = &mut change => return result,
                _ = redraw.tick() => self.screen.live(&format!("   {label:<7} {}", self.digits(crowd))),
            }
        }
    }

    async fn show_crowd_for(&self, crowd: &Crowd, label: &str, time: Duration) {
        self.show_crowd_while(crowd, label, tokio::time::sleep(time)).await;
        self.screen.item(&format!("{label:<7} {}", self.digits(crowd)));
    }

    /// `1 3 2 5 …`: where each visitor is.
    fn digits(&self, crowd: &Crowd) -> String {
        let digits: Vec<String> = self.places(crowd).iter().map(|name| self.paint.number(name)).collect();
        digits.join(" ")
    }

    fn places(&self, crowd: &Crowd) -> Vec<String> {
        let place = |seen: Seen| seen.replica.map_or_else(|| "?".to_owned(), |r| self.roster.name(&r).to_owned());
        crowd.seen().into_iter().map(|(_, seen)| place(seen)).collect()
    }

    fn named_moves(&self, crowd: &Crowd) -> Vec<super::tally::Move> {
        let mut moves = crowd.moves();
        for one in &mut moves {
            one.from = self.roster.name(&one.from).to_owned();
            one.to = self.roster.name(&one.to).to_owned();
        }
        moves
    }

    /// What Seaway said about the pool, up to the line that tells of the right number.
    async fn tell_pools(&self, mark: usize, ready: usize) {
        let of_web = |said: &Said| match said {
            Said::Pool(pool) if pool.service == "web" => Some(pool.clone()),
            _ => None,
        };
        let done = |said: &Said| of_web(said).filter(|pool| pool.ready == ready).map(drop);
        let _told = self.journal.wait_for(mark, LOG_WAIT, done).await;
        // Containers that only begin to start change nothing yet.
        let changed = |said: &Said| of_web(said).filter(|pool| pool.changed);
        let lines: Vec<Pool> = self.journal.since(mark).iter().filter_map(changed).collect();
        for (place, pool) in lines.iter().enumerate() {
            let label = if place == 0 { "Seaway: " } else { "        " };
            self.screen.item(&format!("{}{}", self.paint.dim(label), self.paint.warn(&pool.text)));
        }
    }

    fn tell_needless(&self, judged: &Judged) {
        for one in judged.needless.iter().take(5) {
            let text = format!("{} moved from {} to {} although {} runs on", one.visitor, one.from, one.to, one.from);
            self.screen.item(&self.paint.bad(&text));
        }
    }

    fn went_wrong(&self) -> String {
        let stories = self.tally.count().stories;
        stories.last().map_or_else(|| "a request failed".to_owned(), |story| format!("a request failed: {story}"))
    }

    /// Time to read so many lines, where somebody reads.
    async fn breathe(&self, lines: u32) {
        if self.screen.is_terminal() {
            tokio::time::sleep(Duration::from_millis(700) * lines).await;
        }
    }

    /// A moment between two requests, so that a person sees them come in.
    async fn beat(&self) {
        if self.screen.is_terminal() {
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
    }
}
