//! From a [`Node`] to typed options: every fault is collected with its key, and decoding goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::catalogue::{Kind, OptionSpec, Section};
use crate::tree::Node;

/// What is wrong with one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No option of that name; the options that exist there.
    Unknown {
        /// The name as written.
        name: String,
        /// The names that exist at that place.
        known: Vec<&'static str>,
    },
    /// The value has the wrong form.
    BadValue {
        /// What was expected, in words: `a whole number`.
        expected: &'static str,
        /// What was given.
        got: String,
    },
    /// A section was given a value and nothing below it.
    Standalone,
}

/// One fault: the full key as written, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The full key as the person wrote it.
    pub key: String,
    /// The documented path from the decoded root, for example `loadBalancer.sticky.cookie.name`; an unknown name ends it as written.
    pub path: String,
    /// What is wrong.
    pub kind: FaultKind,
}

/// Collects faults while a tree is decoded.
#[derive(Debug, Default)]
pub struct Decoder {
    path: Vec<String>,
    /// What was found wrong so far.
    pub faults: Vec<Fault>,
}

impl Decoder {
    /// Decodes a whole section from `node`; faults are left in `self.faults`.
    pub fn section<T: Decode + Default>(&mut self, node: &Node) -> T {
        let mut value = T::default();
        value.decode(node, self);
        value
    }

    /// Runs `f` one step deeper in the path.
    pub fn step(&mut self, name: &str, f: impl FnOnce(&mut Self)) {
        self.path.push(name.to_owned());
        f(self);
        self.path.pop();
    }

    /// Records a fault at `node`.
    pub fn fault(&mut self, node: &Node, kind: FaultKind) {
        self.faults.push(Fault { key: node.key.clone(), path: self.path.join("."), kind });
    }
}

/// A value that can be read from a node, over what is already there.
pub trait Decode {
    /// How the value looks.
    const KIND: Kind;
    /// The options below it, for sections.
    const BELOW: &'static [OptionSpec] = &[];

    /// Reads `node` into `self`. What cannot be read leaves `self` as it was and becomes a fault.
    fn decode(&mut self, node: &Node, cx: &mut Decoder);
}

fn scalar<'n>(node: &'n Node, cx: &mut Decoder, expected: &'static str) -> Option<&'n str> {
    for (name, child) in &node.children {
        cx.step(name, |cx| cx.fault(child, FaultKind::Unknown { name: name.clone(), known: Vec::new() }));
    }
    if node.value.is_none() && node.children.is_empty() {
        cx.fault(node, FaultKind::BadValue { expected, got: String::new() });
    }
    node.value.as_deref()
}

fn parsed<T>(into: &mut T, node: &Node, cx: &mut Decoder, expected: &'static str, parse: impl Fn(&str) -> Option<T>) {
    if let Some(text) = scalar(node, cx, expected) {
        match parse(text) {
            Some(value) => *into = value,
            None => cx.fault(node, FaultKind::BadValue { expected, got: text.to_owned() }),
        }
    }
}

impl Decode for String {
    const KIND: Kind = Kind::Text;
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        parsed(self, node, cx, "a text", |t| Some(t.to_owned()));
    }
}

impl Decode for bool {
    const KIND: Kind = Kind::Bool;
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        parsed(self, node, cx, "true or false", parse_bool);
    }
}

macro_rules! decode_int {
    ($($int:ty => $expected:literal),+) => {$(
        impl Decode for $int {
            const KIND: Kind = Kind::Int;
            fn decode(&mut self, node: &Node, cx: &mut Decoder) {
                parsed(self, node, cx, $expected, |t| t.parse().ok());
            }
        }
    )+};
}
decode_int!(i64 => "a whole number", u32 => "a whole number from 0 to 4294967295", u64 => "a whole number, not negative", usize => "a whole number, not negative");

impl Decode for Duration {
    const KIND: Kind = Kind::Duration;
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        parsed(self, node, cx, "seconds as a plain number, or a duration such as 1m30s or 500ms", parse_duration);
    }
}

impl Decode for Vec<String> {
    const KIND: Kind = Kind::List;
    /// `a, b`; an empty text leaves the list unset. `name[0]=a` is accepted as well, in numeric order.
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        if let Some(value) = &node.value {
            *self = value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect();
        }
        let mut indexed = Vec::new();
        for (name, child) in &node.children {
            match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).and_then(|n| n.parse::<u32>().ok()) {
                Some(index) if child.children.is_empty() => {
                    indexed.push((index, child.value.clone().unwrap_or_default()))
                }
                _ => cx.step(name, |cx| cx.fault(child, FaultKind::Unknown { name: name.clone(), known: Vec::new() })),
            }
        }
        if !indexed.is_empty() {
            indexed.sort();
            self.extend(indexed.into_iter().map(|(_, text)| text));
        }
    }
}

impl Decode for BTreeMap<String, String> {
    const KIND: Kind = Kind::Map;
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        if node.value.is_some() && node.children.is_empty() {
            cx.fault(node, FaultKind::Standalone);
        }
        for (name, child) in &node.children {
            let mut text = String::new();
            cx.step(name, |cx| text.decode(child, cx));
            self.insert(name.clone(), text);
        }
    }
}

impl<T: Decode + Default> Decode for Option<T> {
    const KIND: Kind = T::KIND;
    const BELOW: &'static [OptionSpec] = T::BELOW;
    /// A section that may stand alone is switched off, children and all, by any value but `true` or nothing.
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        if T::KIND == Kind::SwitchSection
            && let Some(value) = &node.value
            && !value.is_empty()
            && !value.eq_ignore_ascii_case("true")
        {
            // `false` is a wish; anything else is a mistake that must not silently switch a section off.
            if parse_bool(value) != Some(false) {
                cx.fault(
                    node,
                    FaultKind::BadValue { expected: "true, false, or options below it", got: value.clone() },
                );
            }
            *self = None;
            return;
        }
        let before = cx.faults.len();
        let mut value = self.take().unwrap_or_default();
        value.decode(node, cx);
        let scalar = !matches!(T::KIND, Kind::Section | Kind::SwitchSection);
        *self = if scalar && cx.faults.len() > before { None } else { Some(value) };
    }
}

/// Sections by name: `routers.<name>.…`. Names are case-sensitive values, so the spelling is kept.
impl<T: Decode + Default + Section> Decode for BTreeMap<String, T> {
    const KIND: Kind = Kind::NamedSections;
    const BELOW: &'static [OptionSpec] = T::OPTIONS;
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        if node.value.is_some() && node.children.is_empty() {
            cx.fault(node, FaultKind::Standalone);
        }
        for (name, child) in &node.children {
            cx.step(name, |cx| self.entry(name.clone()).or_default().decode(child, cx));
        }
    }
}

/// Reads a boolean as Go's `strconv.ParseBool` does.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Reads a plain number of seconds, or a Go duration (`1h2m3.5s`, `100ms`). Negative durations have no meaning to any
/// option that uses this and are refused.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let scale = match rest.get(..letters)? {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanos += number * scale;
        rest = rest.get(letters..)?;
    }
    // A century is more than any option can mean, and keeps the conversion exact enough.
    (nanos < 3.2e18).then(|| Duration::from_nanos(nanos as u64))
}

/// Writes a struct of options once: the struct, its defaults, its catalogue entries and its decoder.
///
/// Each option is `field: Type = default, "documentedName", "default as text", "one line";`. A struct marked `switch`
/// may be switched on by giving its own key `true` or nothing.
macro_rules! options {
    ($(
        $(#[$meta:meta])*
        $mode:ident struct $struct:ident {
            $($field:ident : $type:ty = $default:expr, $name:literal, $shown:literal, $doc:literal;)*
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $struct {
            $(
                #[doc = $doc]
                #[serde(rename = $name, skip_serializing_if = "Wire::omit", serialize_with = "Wire::put")]
                pub $field: $type,
            )*
        }

        impl Default for $struct {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::wire::Wire for $struct {
            fn omit(&self) -> bool {
                false
            }
            fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(self, serializer)
            }
        }

        impl $crate::catalogue::Section for $struct {
            const OPTIONS: &'static [$crate::catalogue::OptionSpec] = &[
                $($crate::catalogue::OptionSpec {
                    name: $name,
                    kind: <$type as $crate::decode::Decode>::KIND,
                    default: $shown,
                    doc: $doc,
                    below: <$type as $crate::decode::Decode>::BELOW,
                },)*
            ];
        }

        impl $crate::decode::Decode for $struct {
            const KIND: $crate::catalogue::Kind = options!(@kind $mode);
            const BELOW: &'static [$crate::catalogue::OptionSpec] = <Self as $crate::catalogue::Section>::OPTIONS;

            fn decode(&mut self, node: &$crate::tree::Node, cx: &mut $crate::decode::Decoder) {
                if node.value.is_some() && node.children.is_empty()
                    && Self::KIND == $crate::catalogue::Kind::Section {
                    cx.fault(node, $crate::decode::FaultKind::Standalone);
                }
                for (name, child) in &node.children {
                    $(
                        if name.eq_ignore_ascii_case($name) {
                            cx.step($name, |cx| $crate::decode::Decode::decode(&mut self.$field, child, cx));
                            continue;
                        }
                    )*
                    cx.step(name, |cx| cx.fault(child, $crate::decode::FaultKind::Unknown {
                        name: name.clone(),
                        known: <Self as $crate::catalogue::Section>::OPTIONS.iter().map(|o| o.name).collect(),
                    }));
                }
            }
        }
    )+};
    (@kind section) => { $crate::catalogue::Kind::Section };
    (@kind switch) => { $crate::catalogue::Kind::SwitchSection };
}
pub(crate) use options;
