//! The answer as a page of text.

use std::fmt::Write;

use serde_json::Value;

/// A text without what would speak to the terminal: labels are other people's.
pub(super) fn clean(text: &str) -> String {
    let harmless = |c: char| {
        !c.is_control() && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown = |c: char| if harmless(c) { c.to_string() } else { c.escape_debug().to_string() };
    text.chars().map(shown).collect()
}

/// The whole page.
pub(super) fn write(told: &Value) -> String {
    let mut page = Page::default();
    page.request(told);
    page.routers(told);
    page.near_misses(told);
    page.middlewares(told);
    page.service(told);
    page.heading("answer");
    page.line("  ", &text(told, "/outcome/text"));
    let log = text(told, "/log");
    if !log.is_empty() {
        page.heading("log");
        page.line("  ", &log);
    }
    page.0
}

#[derive(Default)]
struct Page(String);

impl Page {
    fn heading(&mut self, heading: &str) {
        self.line("\n", heading);
    }

    fn line(&mut self, before: &str, text: &str) {
        // Writing to a text cannot fail.
        writeln!(self.0, "{before}{text}").ok();
    }

    fn request(&mut self, told: &Value) {
        let (method, client) = (text(told, "/request/method"), text(told, "/request/client"));
        let from = if client.is_empty() { String::new() } else { format!(" from {client}") };
        self.line("", format!("{method} {}{from}", text(told, "/url")).trim_start());
        self.line("", &format!("entry point {} ({})", text(told, "/entryPoint"), text(told, "/entryPointWhy")));
    }

    fn routers(&mut self, told: &Value) {
        let others = told.get("others").and_then(Value::as_u64).unwrap_or_default();
        let routers = list(told, "/routers");
        if routers.is_empty() && others == 0 {
            return;
        }
        self.heading("routers, in the order in which they are tried");
        for router in routers {
            let (name, rule) = (text(router, "/name"), text(router, "/rule"));
            let priority = router.get("priority").map(Value::to_string).unwrap_or_default();
            let (mark, verdict) = match router.get("verdict").and_then(Value::as_str) {
                Some("takes") => ("→", "takes it".to_owned()),
                Some("comesLater") => (" ", "would take it, but comes later".to_owned()),
                _ => ("✗", format!("{}: {}", text(router, "/failed/part"), text(router, "/failed/found"))),
            };
            self.line(&format!("{mark} "), &format!("{name}  {rule}  priority {priority}"));
            self.line("    ", &verdict);
        }
        if others > 0 {
            self.line("  ", &format!("{others} not tried: their rules name other hosts"));
        }
    }

    fn near_misses(&mut self, told: &Value) {
        let near = list(told, "/nearMisses");
        if !near.is_empty() {
            self.heading("near misses");
        }
        for miss in near {
            self.line("  ", &format!("{}: {}", text(miss, "/name"), text(miss, "/text")));
        }
    }

    fn middlewares(&mut self, told: &Value) {
        let steps = list(told, "/middlewares");
        if !steps.is_empty() {
            self.heading("middlewares");
        }
        for (number, step) in (1..).zip(steps) {
            let (name, kind, effect) = (text(step, "/name"), text(step, "/type"), text(step, "/effect"));
            self.line("  ", &format!("{number} {name} ({kind}): {effect}"));
        }
    }

    fn service(&mut self, told: &Value) {
        let Some(service) = told.get("service") else { return };
        let cookie = text(service, "/cookie");
        let cookie = if cookie.is_empty() { String::new() } else { format!(", cookie {cookie}") };
        self.heading(&format!("service {} ({}{cookie})", text(service, "/name"), text(service, "/strategy")));
        for turn in list(service, "/way") {
            let (from, kind, to) = (text(turn, "/service"), text(turn, "/type"), text(turn, "/to"));
            self.line("  ", &format!("{from} ({kind}) → {to}: {}", text(turn, "/why")));
        }
        let chosen = (text(service, "/choice/server"), text(service, "/choice/url"));
        for server in list(service, "/servers") {
            let named = (text(server, "/name"), text(server, "/url"));
            let mark = if named == chosen { "→" } else { " " };
            let number = |key: &str| server.get(key).and_then(Value::as_u64).unwrap_or_default();
            let port = text(server, "/port");
            let port = if port.is_empty() { port } else { format!(" (port: {port})") };
            let state = format!("{}{port}", text(server, "/state"));
            let share = format!("weight {}, {} in flight", number("weight"), number("inFlight"));
            self.line(&format!("{mark} "), &format!("{}  {}  {state}  {share}", named.0, named.1));
        }
        if service.get("choice").is_some() {
            self.line("  ", &format!("{}: {}", chosen.0, text(service, "/choice/why")));
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    clean(value.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
}

fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_reads_from_top_to_bottom() {
        let told = json!({
            "url": "http://a.b/x", "entryPoint": "web", "entryPointWhy": "it listens on port 80",
            "request": {"method": "GET", "client": "127.0.0.1"}, "others": 3,
            "routers": [
                {"name": "api@docker", "priority": 30, "rule": "Path(`/y`)", "verdict": "fails",
                 "failed": {"part": "Path(`/y`)", "found": "the path is /x"}},
                {"name": "web@docker", "priority": 11, "rule": "Host(`a.b`)", "verdict": "takes"},
            ],
            "middlewares": [{"name": "v1@docker", "type": "addprefix", "effect": "path /x → /v1/x"}],
            "service": {"name": "web@docker", "strategy": "wrr", "cookie": "c",
                "way": [{"service": "both@file", "type": "weighted", "to": "web@docker", "why": "it is next in turn"}],
                "servers": [{"name": "web-1", "url": "http://1:80", "state": "ready", "weight": 1, "inFlight": 2}],
                "choice": {"server": "web-1", "url": "http://1:80", "why": "it is the only one that is ready"}},
            "outcome": {"text": "web-1 at http://1:80 answers"}, "log": "- GET a.b/x → web-1",
        });
        let want = "GET http://a.b/x from 127.0.0.1
entry point web (it listens on port 80)

routers, in the order in which they are tried
✗ api@docker  Path(`/y`)  priority 30
    Path(`/y`): the path is /x
→ web@docker  Host(`a.b`)  priority 11
    takes it
  3 not tried: their rules name other hosts

middlewares
  1 v1@docker (addprefix): path /x → /v1/x

service web@docker (wrr, cookie c)
  both@file (weighted) → web@docker: it is next in turn
→ web-1  http://1:80  ready  weight 1, 2 in flight
  web-1: it is the only one that is ready

answer
  web-1 at http://1:80 answers

log
  - GET a.b/x → web-1
";
        assert_eq!(write(&told), want);
    }

    #[test]
    fn foreign_text_does_not_speak_to_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\n\u{202e}c"), "a\\u{1b}[2Jb\\n\\u{202e}c");
        let told = json!({"outcome": {"text": "x\u{7}"}});
        assert!(!write(&told).contains('\u{7}'));
        assert!(!write(&Value::Null).is_empty());
    }
}
