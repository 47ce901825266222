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
    /// `a, b`; an empty text gives an empty list. `name[0]=a` is accepted as well, in numeric order.
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        let written = node.value.as_deref().unwrap_or_default();
        let mut indexed = Vec::new();
        for (name, child) in &node.children {
            match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).and_then(|n| n.parse::<u32>().ok()) {
                Some(index) if child.children.is_empty() => {
                    indexed.push((index, child.value.as_deref().unwrap_or_default()));
                }
                _ => cx.step(name, |cx| cx.fault(child, FaultKind::Unknown { name: name.clone(), known: Vec::new() })),
            }
        }
        if node.value.is_none() && indexed.is_empty() {
            return;
        }
        indexed.sort_unstable();
        let items = written.split(',').chain(indexed.into_iter().map(|(_, text)| text));
        *self = items.map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect();
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
            // An empty text has a meaning of its own (remove this header): it must not come from a mistake.
            if child.value.is_some() {
                self.insert(name.clone(), text);
            }
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
        if let Some(value) = self {
            return value.decode(node, cx);
        }
        let before = cx.faults.len();
        let mut value = T::default();
        value.decode(node, cx);
        let readable = match T::KIND {
            Kind::SwitchSection => true,
            Kind::Section => !node.children.is_empty(),
            _ => cx.faults.len() == before,
        };
        if readable {
            *self = Some(value);
        }
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

/// A list of sections: `services[0].…`, in numeric order. Anew each time: a list is replaced, not added to.
impl<T: Decode + Default + Section> Decode for Vec<T> {
    const KIND: Kind = Kind::NamedSections;
    const BELOW: &'static [OptionSpec] = T::OPTIONS;
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        if node.value.is_some() && node.children.is_empty() {
            cx.fault(node, FaultKind::Standalone);
        }
        let mut indexed = Vec::new();
        for (name, child) in &node.children {
            match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).and_then(|n| n.parse::<u32>().ok()) {
                Some(index) => indexed.push((index, name, child)),
                None => {
                    cx.step(name, |cx| cx.fault(child, FaultKind::Unknown { name: name.clone(), known: Vec::new() }));
                }
            }
        }
        indexed.sort_by_key(|(index, ..)| *index);
        self.clear();
        for (_, name, child) in indexed {
            let mut one = T::default();
            cx.step(name, |cx| one.decode(child, cx));
            self.push(one);
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

/// Longest duration that is read, about a hundred years: more than any option can mean, and safe to add to a clock.
const LONGEST: u128 = 3_200_000_000 * NANOS_PER_SECOND;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Reads a plain number of seconds, or a Go duration (`1h2m3.5s`, `100ms`), exact to the nanosecond. Negative durations
/// have no meaning to any option that uses this and are refused, as is more than about a hundred years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let nanos = match text.parse::<u64>() {
        Ok(seconds) => u128::from(seconds) * NANOS_PER_SECOND,
        Err(_) => go_nanos(text.strip_prefix('+').unwrap_or(text))?,
    };
    u64::try_from(nanos).ok().filter(|_| nanos <= LONGEST).map(Duration::from_nanos)
}

/// The nanoseconds of `1h2m3.5s`: numbers with units, added up.
fn go_nanos(text: &str) -> Option<u128> {
    let (mut total, mut rest) = (None, text);
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let scale = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS_PER_SECOND,
            "m" => 60 * NANOS_PER_SECOND,
            "h" => 3600 * NANOS_PER_SECOND,
            _ => return None,
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if number == "." || number.is_empty() || part.contains('.') {
            return None;
        }
        let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok().map(u128::from) };
        // What stands behind the 18th digit is less than a nanosecond of any unit.
        let part = part.get(..18).unwrap_or(part);
        let nanos = digits(whole)? * scale + digits(part)? * scale / 10u128.pow(u32::try_from(part.len()).ok()?);
        total = Some(total.unwrap_or(0u128).checked_add(nanos)?);
        rest = after;
    }
    total
}

/// Writes a struct of options once: the struct, its defaults, its catalogue entries and its decoder.
///
/// Each option is `field: Type = default, "documentedName", "default as text", "one line";`. A struct marked `switch`
/// may be switched on by giving its own key `true` or nothing; one marked `hidden` is a section that the API leaves out.
macro_rules! options {
    ($(
        $(#[$meta:meta])*
        $mode:ident struct $struct:ident {
            $($field:ident : $type:ty = $default:expr, $name:literal, $shown:literal, $doc:literal;)*
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $struct {
            $(
                #[doc = $doc]
                pub $field: $type,
            )*
        }

        impl Default for $struct {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl serde::Serialize for $struct {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                #[allow(unused_mut)]
                let mut map = serializer.serialize_map(None)?;
                $(
                    let default: $type = $default;
                    $crate::wire::put_entry(&mut map, $name, &self.$field, &default)?;
                )*
                serde::ser::SerializeMap::end(map)
            }
        }

        impl $crate::wire::Wire for $struct {
            fn omit(&self) -> bool {
                options!(@hidden $mode)
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
    (@kind hidden) => { $crate::catalogue::Kind::Section };
    (@hidden hidden) => { true };
    (@hidden $mode:ident) => { false };
}
pub(crate) use options;

#[cfg(test)]
mod tests;
