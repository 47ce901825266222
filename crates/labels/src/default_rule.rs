//! The default rule: a template in Go's language, rendered once for each router that has no rule of its own.
//!
//! ``Host(`{{ normalize .Name }}.example.com`)``. Fields are `.Name` (the normalised service name), `.ContainerName` and
//! `.Labels`. The template is the operator's and trusted; what it fills in comes from containers and is not: a value
//! with any character that could end a string of the rule makes the rendering fail, it is never put into the rule.

mod action;
mod file;
mod functions;
mod parse;
mod render;
mod value;

use std::collections::BTreeMap;

use parse::Node;

use crate::gather::show;
pub use file::{Environment, render_file};

/// Longest template and longest result, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// What a template may use.
#[derive(Clone, Copy, Debug)]
pub struct RuleContext<'a> {
    /// The service's name, normalised.
    pub name: &'a str,
    /// The container's name without its leading slash.
    pub container_name: &'a str,
    /// All labels of the container.
    pub labels: &'a BTreeMap<String, String>,
}

/// A parsed template.
#[derive(Clone, Debug)]
pub struct DefaultRule {
    nodes: Vec<Node>,
    /// It looks at labels, so what it gives without any proves nothing.
    asks_labels: bool,
}

impl DefaultRule {
    /// Parses a template. The error says what is wrong, in words.
    pub fn parse(template: &str) -> Result<Self, String> {
        if template.len() > MAX_BYTES {
            return Err(format!("the template has more than {MAX_BYTES} bytes"));
        }
        Ok(Self { nodes: parse::template(template)?, asks_labels: template.contains("Labels") })
    }

    /// Renders the rule of one router. The error says why there is none: a value is missing, or it could change more
    /// of the rule than its own place, or the result is blank.
    pub fn render(&self, cx: &RuleContext<'_>) -> Result<String, String> {
        let rule = render::render(&self.nodes, cx)?;
        if rule.trim().is_empty() {
            return Err("the default rule is empty for this container".to_owned());
        }
        Ok(rule)
    }

    /// Tries the template on containers as there are many, without labels, so that a mistake is found before the first
    /// container is. `accepts` judges the rule. Templates may be meant for some containers only, so one that gives
    /// nothing is right, and so is one that a single sample is happy with.
    ///
    /// # Errors
    /// What is wrong for the first sample, where it is wrong for all.
    pub fn try_out(&self, accepts: impl Fn(&str) -> Result<(), String>) -> Result<(), String> {
        let labels = BTreeMap::new();
        let mut first = None;
        for (name, container_name) in [("web", "web-1"), ("web-shop", "shop-web-1")] {
            let tried = match render::render(&self.nodes, &RuleContext { name, container_name, labels: &labels }) {
                Ok(rule) if rule.trim().is_empty() || self.asks_labels => Ok(()),
                Ok(rule) => {
                    accepts(&rule).map_err(|what| format!("{what}, in the rule `{}` that it gives", show(&rule)))
                }
                // No label explains a field that nobody has.
                Err(what) if self.asks_labels && !what.starts_with(render::NO_FIELD) => Ok(()),
                Err(what) => Err(what),
            };
            match tried {
                Ok(()) => return Ok(()),
                Err(what) => first = first.or(Some(what)),
            }
        }
        first.map_or(Ok(()), Err)
    }
}

/// The pieces of letters and digits of `name`, joined by `-`: `/my_app.1` → `my-app-1`. Case is kept.
pub fn normalize(name: &str) -> String {
    let pieces: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty()).collect();
    pieces.join("-")
}

#[cfg(test)]
mod tests;
