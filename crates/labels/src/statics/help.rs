//! Every static option with its default, from the catalogue.

use std::fmt::Write as _;

use seaway_config::catalogue::{Kind, OptionSpec, Section};
use seaway_config::statics::StaticOptions;

/// The list of all static options as flags, for `--help`.
pub fn help() -> String {
    let mut text = String::new();
    list(StaticOptions::OPTIONS, "--", &mut text);
    text.push_str("\nAs variables, the options below seaway. need not say that word twice: SEAWAY_HOLD_TIMEOUT, SEAWAY_WORKERS.\n");
    text
}

fn list(specs: &[OptionSpec], above: &str, text: &mut String) {
    for spec in specs {
        let path = format!("{above}{}", spec.name);
        match spec.kind {
            Kind::Section => list(spec.below, &format!("{path}."), text),
            Kind::NamedSections => list(spec.below, &format!("{path}.<name>."), text),
            kind => {
                let default = match spec.default {
                    "" => String::new(),
                    default => format!(" (default {default})"),
                };
                let value = match kind {
                    Kind::Bool | Kind::SwitchSection => "[=true|false]",
                    Kind::Int => "=<number>",
                    Kind::Duration => "=<duration>",
                    Kind::List => "=<a,b>",
                    Kind::Map => ".<key>=<text>",
                    _ => "=<text>",
                };
                // Writing into a String cannot fail.
                _ = writeln!(text, "  {path}{value}\n        {}{default}", spec.doc);
                list(spec.below, &format!("{path}."), text);
            }
        }
    }
}
