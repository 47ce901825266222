//! A container's labels, gathered into one tree below `http`, with all that could not be read set aside.

use std::collections::BTreeMap;

use seaway_config::Code;
use seaway_config::catalogue::{Kind, OptionSpec, Section};
use seaway_config::model::{MiddlewareOptions, Router, ServiceOptions};
use seaway_config::tree::Node;

use crate::names::{Place, Root, place};
use crate::overlay::{EmptyList, overlay};
use crate::tokens::{Token, split};
use seaway_config::suggest::nearest;

/// Longest value that is read, in bytes.
pub(crate) const MAX_VALUE: usize = 64 * 1024;
/// Most bytes of keys and values that one container may have under our roots.
pub(crate) const MAX_CONTAINER: usize = 1024 * 1024;
/// Most labels that one container may have under our roots.
pub(crate) const MAX_LABELS: usize = 5000;
/// Most routers, services or middlewares of one container.
pub(crate) const MAX_OBJECTS: usize = 1000;

/// What a label can declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Object {
    Router,
    Service,
    Middleware,
}

impl Object {
    pub(crate) const ALL: [Self; 3] = [Self::Router, Self::Service, Self::Middleware];

    /// The word in the label: `routers`.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Router => "routers",
            Self::Service => "services",
            Self::Middleware => "middlewares",
        }
    }

    /// The word in a message: `router`.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Service => "service",
            Self::Middleware => "middleware",
        }
    }

    /// The options below it.
    pub(crate) fn options(self) -> &'static [OptionSpec] {
        match self {
            Self::Router => Router::OPTIONS,
            Self::Service => ServiceOptions::OPTIONS,
            Self::Middleware => MiddlewareOptions::OPTIONS,
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|object| object.plural().eq_ignore_ascii_case(word))
    }
}

/// One thing that is wrong with one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The label's full key.
    pub(crate) key: String,
    /// Its path below the object; empty for the object itself or when it has none.
    pub(crate) path: String,
    pub(crate) code: Code,
    pub(crate) message: String,
    /// The label that would be right; empty if there is none to name.
    pub(crate) fix: String,
}

/// All that one container's labels say about HTTP.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// The tree below `http`: `routers`, `services`, `middlewares`.
    pub(crate) http: Node,
    /// Labels that could not be read but belong to one object.
    pub(crate) refused: Vec<(Object, String, Problem)>,
    /// Labels that cannot be given to one object: every router of the container is off.
    pub(crate) unassignable: Vec<Problem>,
    /// Worth a warning only.
    pub(crate) remarks: Vec<Problem>,
    /// The first TCP or UDP label.
    pub(crate) tcp_udp: Option<String>,
}

impl Gathered {
    /// The objects of one kind with the names as spelt.
    pub(crate) fn objects(&self, object: Object) -> &[(String, Node)] {
        self.http.child(object.plural()).map_or(&[], |node| node.children.as_slice())
    }
}

/// Gathers the labels below `http` of both roots, `seaway.` over `traefik.`.
pub(crate) fn gather(labels: &BTreeMap<String, String>) -> Gathered {
    let mut all = Gathered::default();
    let (mut http, mut own) = (Node::default(), Node::default());
    let (mut bytes, mut count) = (0usize, 0usize);
    for (key, value) in labels {
        let place = place(key);
        if place == Place::Foreign {
            continue;
        }
        bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
        count += 1;
        if bytes > MAX_CONTAINER || count > MAX_LABELS {
            let message = format!("the container's labels are more than {MAX_CONTAINER} bytes or {MAX_LABELS} labels");
            let fix = "fewer labels, or several containers that share them".to_owned();
            all.unassignable.push(Problem { fix, ..problem(cut(key), Code::LabelLimit, message) });
            break;
        }
        match place {
            Place::Http(Root::Traefik) => all.read(&mut http, key, value),
            Place::Http(Root::Seaway) => all.read(&mut own, key, value),
            Place::TcpUdp => {
                all.tcp_udp.get_or_insert_with(|| key.clone());
            }
            Place::TlsStore => {
                all.remarks.push(problem(key, Code::NotSupportedYet, "certificate stores do not work yet"))
            }
            Place::UnknownOwn => all.remarks.push(problem(key, Code::UnknownOption, "there is no such label")),
            Place::NearMiss(meant) => all.unassignable.push(Problem {
                fix: line(&meant, value),
                ..problem(cut(key), Code::NearMissRoot, "the key looks like one of the proxy's, mistyped")
            }),
            Place::Foreign | Place::Enable | Place::Docker => {}
        }
    }
    for object in Object::ALL {
        lay(&mut http, &mut own, object);
    }
    all.http = http;
    all
}

/// `key=value` as a person would write it; a value that is long or not plain is left out.
pub(crate) fn line(key: &str, value: &str) -> String {
    let plain = value.len() <= 200 && !value.chars().any(char::is_control);
    format!("{key}={}", if plain { value } else { "…" })
}

/// A problem at a key, with no path and no fix.
pub(crate) fn problem(key: &str, code: Code, message: impl Into<String>) -> Problem {
    Problem { key: key.to_owned(), path: String::new(), code, message: message.into(), fix: String::new() }
}

impl Gathered {
    fn read(&mut self, tree: &mut Node, key: &str, value: &str) {
        let (tokens, fault) = split(key);
        let below = tokens.get(2..).unwrap_or_default();
        let (object, name) = match below {
            [] if fault.is_none() => {
                return self.unassignable.push(standalone(key));
            }
            [kind, rest @ ..] => match (Object::of(kind.text), rest) {
                (Some(object), [name, ..]) if !name.text.starts_with('[') => (object, *name),
                (Some(object), [_, ..]) => {
                    return self.unassignable.push(unreadable(key, &format!("a {} has no name", object.singular())));
                }
                (Some(_), []) if fault.is_none() => return self.unassignable.push(standalone(key)),
                // As in Traefik, which knows the word and never reads it from labels.
                (None, _) if kind.text.eq_ignore_ascii_case("serversTransports") => {
                    let message = "servers transports cannot be declared by labels";
                    return self.remarks.push(problem(key, Code::NotSupportedYet, message));
                }
                (None, _) if fault.is_none() => return self.unassignable.push(unknown_kind(key, kind, value)),
                _ => return self.unassignable.push(unreadable(key, fault.map_or("", |f| f.message()))),
            },
            [] => return self.unassignable.push(unreadable(key, fault.map_or("", |f| f.message()))),
        };
        let objects = tree.child_mut(object.plural(), key.get(..below.first().map_or(0, |t| t.end)).unwrap_or(key));
        if objects.children.len() >= MAX_OBJECTS && objects.child(name.text).is_none() {
            let message = format!("the container declares more than {MAX_OBJECTS} {}", object.plural());
            // Once is enough: every further one says the same.
            if !self.unassignable.iter().any(|p| p.message == message) {
                let fix = format!("fewer {}, or several containers that share them", object.plural());
                self.unassignable.push(Problem { fix, ..problem(cut(key), Code::LabelLimit, message) });
            }
            return;
        }
        // The object exists even if nothing of it can be read: it needs a place to be quarantined at.
        let mut node = objects.child_mut(name.text, key.get(..name.end).unwrap_or(key));
        let path = key.get(name.end..).unwrap_or_default().trim_start_matches('.');
        let refusal = fault.map(|f| (f.code(), f.message().to_owned())).or_else(|| unfit(value, path));
        if let Some((code, message)) = refusal {
            let fix = match (code, fault) {
                (Code::LabelLimit, None) if path.eq_ignore_ascii_case("rule") => {
                    format!("a rule of at most {MAX_VALUE} bytes; several routers can share its alternatives")
                }
                (Code::LabelLimit, None) => format!("a value of at most {MAX_VALUE} bytes"),
                (_, fault) => fault.map_or("", |f| f.fix()).to_owned(),
            };
            let found = Problem { path: path.to_owned(), fix, ..problem(cut(key), code, message) };
            self.refused.push((object, name.text.to_owned(), found));
            return;
        }
        for token in below.get(2..).unwrap_or_default() {
            node = node.child_mut(token.text, key.get(..token.end).unwrap_or(key));
        }
        if let Some(said) = &node.value {
            let same = problem(key, Code::DuplicateLabel, format!("it says again what {} says", node.key));
            let last = path.rsplit('.').next().unwrap_or_default();
            // Elsewhere the later one counts, as in Traefik; here it could take away what the other asks for.
            if said != value && last.split('[').next().is_some_and(|option| option.eq_ignore_ascii_case("middlewares"))
            {
                let message = format!("it contradicts {}, which is the same label in another spelling", node.key);
                let found = Problem { path: path.to_owned(), message, ..same };
                self.refused.push((object, name.text.to_owned(), found));
            } else {
                self.remarks.push(same);
            }
        }
        node.value = Some(value.to_owned());
        key.clone_into(&mut node.key);
    }
}

fn lay(http: &mut Node, own: &mut Node, object: Object) {
    let Some(at) = own.children.iter().position(|(name, _)| name == object.plural()) else { return };
    let (name, node) = own.children.swap_remove(at);
    let wrapper = Node { children: vec![(name, node)], ..Node::default() };
    overlay(http, wrapper, kind_options(object), EmptyList::Keeps, &mut |_, _| {});
}

fn kind_options(object: Object) -> &'static [OptionSpec] {
    macro_rules! kind {
        ($name:literal, $section:ty) => {
            &[OptionSpec { name: $name, kind: Kind::NamedSections, default: "", doc: "", below: <$section>::OPTIONS }]
        };
    }
    match object {
        Object::Router => kind!("routers", Router),
        Object::Service => kind!("services", ServiceOptions),
        Object::Middleware => kind!("middlewares", MiddlewareOptions),
    }
}

fn unfit(value: &str, path: &str) -> Option<(Code, String)> {
    if value.len() > MAX_VALUE {
        return Some((Code::LabelLimit, format!("the value has {} bytes, more than {MAX_VALUE}", value.len())));
    }
    // Rules may stretch over lines; in any other value a line break is a mistake or an attempt to split a header.
    let lines = path.eq_ignore_ascii_case("rule");
    let bad = value.chars().find(|c| c.is_control() && *c != '\t' && !(lines && matches!(c, '\n' | '\r')))?;
    Some((Code::BadText, format!("the value has the control character {}", bad.escape_default())))
}

fn standalone(key: &str) -> Problem {
    problem(key, Code::UnassignableLabel, "a value here means nothing: a kind, a name and an option must follow")
}

fn unreadable(key: &str, why: &str) -> Problem {
    problem(cut(key), Code::UnassignableLabel, why)
}

fn unknown_kind(key: &str, kind: &Token<'_>, value: &str) -> Problem {
    let mut found =
        problem(cut(key), Code::UnassignableLabel, format!("there is nothing called `{}` here", show(kind.text)));
    if let Some(meant) = nearest(kind.text, Object::ALL.map(Object::plural)) {
        found.fix = line(&replace_part(key, kind.end - kind.text.len(), kind.end, meant), value);
    }
    found
}

/// The key with the part from `start` to `end` replaced.
pub(crate) fn replace_part(key: &str, start: usize, end: usize, with: &str) -> String {
    format!("{}{with}{}", key.get(..start).unwrap_or_default(), key.get(end..).unwrap_or_default())
}

/// Foreign text for a message: bounded, and no control character gets out.
pub(crate) fn show(text: &str) -> String {
    let mut shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        shown.push('…');
    }
    shown
}

/// A key for a diagnostic; one that nobody would want to read whole is cut.
fn cut(key: &str) -> &str {
    key.char_indices().nth(400).map_or(key, |(at, _)| key.get(..at).unwrap_or(key))
}
