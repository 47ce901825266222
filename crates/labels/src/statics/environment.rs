//! Environment variables: `TRAEFIK_LOG_LEVEL`, `SEAWAY_ENTRYPOINTS_MY_WEB_ADDRESS`.
//!
//! An underscore stands for a dot, but names of entry points may hold underscores, so a variable is read by what the
//! catalogue has. One whose first word is no known section is somebody else's. With the prefix `SEAWAY_` the section
//! `seaway` need not be repeated: `SEAWAY_WORKERS` is `SEAWAY_SEAWAY_WORKERS`.

use seaway_config::Code;
use seaway_config::catalogue::{Kind, OptionSpec, Section};
use seaway_config::statics::{SeawayOptions, StaticOptions};
use seaway_config::tree::Node;

use super::Given;
use super::flags::{not_yet, put};
use super::known::{Found, NOT_YET, look_up, near_section, sections, suggest};

/// The prefix of variables that are nobody's but Seaway's.
const OWN: &str = "SEAWAY_";

/// Reads all variables with a prefix into a tree.
pub(super) fn read(variables: &[(String, String)], prefix: &str, given: &mut Given) -> Node {
    let mut tree = Node::default();
    let mut ours: Vec<_> =
        variables.iter().filter_map(|(key, value)| Some((key, key.strip_prefix(prefix)?, value))).collect();
    // Of two spellings of one option the whole one comes last, and so it counts.
    ours.sort_by_key(|(key, rest, _)| (after(rest, "seaway").is_some(), *key));
    for (key, rest, value) in ours {
        // Names of options hold no underscore, so this cut is right wherever the name of an entry point is too.
        let cut: Vec<&str> = rest.split('_').collect();
        if !sections().any(|section| after(rest, section).is_some()) {
            if prefix == OWN && own(&mut tree, key, rest, value, given) {
                continue;
            }
            if let Some(meant) = near_section(&cut) {
                unread(key, &format!("{prefix}{meant}"), prefix, given);
            }
            continue;
        }
        if let Some((path, kind)) = find(rest, StaticOptions::OPTIONS) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            put(&mut tree, &path, key, kind, value, given);
            continue;
        }
        match look_up(&cut, value) {
            Found::NoEffect => given.notes.push(format!("{key} is accepted and has no effect")),
            Found::NotYet => not_yet(key, &cut, given),
            _ if NOT_YET.iter().any(|pattern| matches(rest, pattern)) => not_yet(key, &cut, given),
            _ => {
                let fix = suggest(&cut).map(|path| format!("{prefix}{}", path.replace('.', "_").to_uppercase()));
                let fix = fix.filter(|fix| fix != key);
                given.mistake(Code::UnknownStaticOption, key, "there is no such option", fix.unwrap_or_default());
            }
        }
    }
    tree
}

/// An option below `seaway` without that word; whether the variable is ours at all.
fn own(tree: &mut Node, key: &str, rest: &str, value: &str, given: &mut Given) -> bool {
    let specs = SeawayOptions::OPTIONS;
    if let Some((path, kind)) = find(rest, specs) {
        let path: Vec<&str> = ["seaway"].into_iter().chain(path.iter().map(String::as_str)).collect();
        put(tree, &path, key, kind, value, given);
        return true;
    }
    // Below a section of ours a word that is near to an option is meant to be one; any other may be somebody else's.
    let section = specs.iter().any(|spec| spec.kind == Kind::Section && after(rest, spec.name).is_some());
    let path: Vec<&str> = ["seaway"].into_iter().chain(rest.split('_')).collect();
    let Some(meant) = suggest(&path).filter(|_| section) else { return false };
    let Some(meant) = meant.strip_prefix("seaway.") else { return false };
    unread(key, &format!("{OWN}{}", meant.replace('.', "_").to_uppercase()), OWN, given);
    true
}

/// A variable that reads like one of ours and is none. Traefik passes over its own, and so may what sets them.
fn unread(key: &str, meant: &str, prefix: &str, given: &mut Given) {
    if prefix == OWN {
        given.mistake(Code::UnknownStaticOption, key, "there is no such option", meant);
    } else {
        given.notes.push(format!("{key} is not read; {meant} would be"));
    }
}

/// The path that a variable means, and the option's kind.
fn find(text: &str, specs: &[OptionSpec]) -> Option<(Vec<String>, Kind)> {
    for spec in specs {
        let Some(rest) = after(text, spec.name) else { continue };
        let Some(rest) = rest else { return Some((vec![spec.name.to_owned()], spec.kind)) };
        let found = match spec.kind {
            Kind::Section | Kind::SwitchSection => find(rest, spec.below),
            Kind::NamedSections => find_named(rest, spec.below),
            Kind::Map if !rest.is_empty() => Some((vec![rest.to_ascii_lowercase()], Kind::Text)),
            _ => None,
        };
        if let Some((mut path, kind)) = found {
            path.insert(0, spec.name.to_owned());
            return Some((path, kind));
        }
    }
    None
}

/// `MY_WEB_ADDRESS` → `my_web`, `address`: the shortest name behind which an option stands.
fn find_named(text: &str, specs: &[OptionSpec]) -> Option<(Vec<String>, Kind)> {
    text.match_indices('_').find_map(|(at, _)| {
        let (name, rest) = (text.get(..at)?, text.get(at + 1..)?);
        let (mut path, kind) = find(rest, specs).filter(|_| !name.is_empty())?;
        path.insert(0, name.to_ascii_lowercase());
        Some((path, kind))
    })
}

/// What follows `word` in `text`: `None` inside where nothing does.
fn after<'t>(text: &'t str, word: &str) -> Option<Option<&'t str>> {
    let head = text.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word))?;
    match text.get(head.len()..)? {
        "" => Some(None),
        rest => rest.strip_prefix('_').map(Some),
    }
}

fn matches(text: &str, pattern: &str) -> bool {
    let (part, patterns) = pattern.split_once('.').map_or((pattern, None), |(part, rest)| (part, Some(rest)));
    let below = |rest: &str| patterns.is_none_or(|pattern| matches(rest, pattern));
    if part == "*" {
        return text.match_indices('_').any(|(at, _)| text.get(at + 1..).is_some_and(below));
    }
    match after(text, part) {
        Some(Some(rest)) => below(rest),
        Some(None) => patterns.is_none(),
        None => false,
    }
}
