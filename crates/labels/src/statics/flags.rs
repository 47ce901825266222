//! Flags: `--a.b=v`, `--a.b v`, one dash or two, names without regard to case.

use seaway_config::Code;
use seaway_config::catalogue::Kind;
use seaway_config::tree::Node;

use super::Given;
use super::known::{Found, is_needed, look_up, suggest};
use crate::gather::show;
use crate::tokens::split;

/// Reads all flags into a tree.
pub(super) fn read(arguments: &[String], given: &mut Given) -> Node {
    let mut tree = Node::default();
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let name = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).unwrap_or_default();
        if name.is_empty() {
            let fix = if argument.contains('=') { format!("--{}", show(argument)) } else { String::new() };
            given.mistake(Code::UnknownStaticOption, "-", format!("`{}` is no flag", show(argument)), fix);
            continue;
        }
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        let flag = format!("--{name}");
        let (tokens, fault) = split(name);
        if let Some(fault) = fault {
            given.mistake(Code::UnknownStaticOption, &flag, fault.message(), "");
            continue;
        }
        let path: Vec<&str> = tokens.iter().map(|token| token.text).collect();
        let follows = rest.peek().filter(|next| value.is_none() && !next.starts_with('-')).map(|next| next.as_str());
        let found = look_up(&path, value.or(follows).unwrap_or("true"));
        let switch = match found {
            Found::Option(kind) => {
                matches!(kind, Kind::Bool | Kind::Section | Kind::SwitchSection | Kind::NamedSections)
            }
            _ => false,
        };
        // A switch never takes the next argument; an option that is refused takes it along.
        let value = match value {
            Some(value) => Some(value),
            None if switch => Some("true"),
            None => follows.inspect(|_| {
                rest.next();
            }),
        };
        match (found, value) {
            (Found::Option(_), None) => {
                given.mistake(Code::BadStaticValue, &flag, "a value is missing", format!("{flag}=…"));
            }
            (Found::Option(kind), Some(value)) => put(&mut tree, &path, &flag, kind, value, given),
            (Found::NoEffect, _) => given.notes.push(format!("{flag} is accepted and has no effect")),
            (Found::NotYet, _) => not_yet(&flag, &path, given),
            (Found::Unknown, _) => {
                let fix = suggest(&path).map(|path| format!("--{path}")).unwrap_or_default();
                let message = if fix.is_empty() {
                    "there is no such option; seaway --help lists all"
                } else {
                    "there is no such option"
                };
                given.mistake(Code::UnknownStaticOption, &flag, message, fix);
            }
        }
    }
    tree
}

/// Puts one value into the tree. A list that is given again grows; anything else is replaced.
pub(super) fn put(tree: &mut Node, path: &[&str], key: &str, kind: Kind, value: &str, given: &mut Given) {
    if let Some(bad) = value.chars().find(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        let message = format!("the value has the control character {}", bad.escape_default());
        return given.mistake(Code::BadStaticValue, key, message, "");
    }
    let mut node = tree;
    for name in path {
        node = node.child_mut(name, key);
    }
    key.clone_into(&mut node.key);
    match kind {
        // `--log=true` means nothing that is not so anyway, and Traefik takes it.
        Kind::Section | Kind::NamedSections if value.is_empty() || value.eq_ignore_ascii_case("true") => {}
        Kind::List => match &mut node.value {
            Some(list) => {
                list.push(',');
                list.push_str(value);
            }
            None => node.value = Some(value.to_owned()),
        },
        _ => {
            if node.value.as_ref().is_some_and(|before| before != value) {
                given.notes.push(format!("{key} is given more than once; the last counts"));
            }
            node.value = Some(value.to_owned());
        }
    }
}

/// The last value that a flag is given, before anything else is read.
pub(super) fn value_of<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    let mut found = None;
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let Some(name) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else { continue };
        match name.split_once('=') {
            Some((name, value)) if name.eq_ignore_ascii_case(option) => found = Some(value),
            None if name.eq_ignore_ascii_case(option) => {
                found = rest.peek().filter(|next| !next.starts_with('-')).map(|next| next.as_str()).or(found);
            }
            _ => {}
        }
    }
    found
}

/// An option of Traefik's that does not work yet. Seaway starts without it, unless connections would be less safe then
/// than was asked for.
pub(super) fn not_yet(key: &str, path: &[&str], given: &mut Given) {
    let message = "Traefik has this option, Seaway does not support it yet";
    if is_needed(path) {
        given.mistake(Code::NotSupportedYet, key, message, "");
    } else {
        given.warning(Code::NotSupportedYet, key, message, "Seaway starts without it");
    }
}
