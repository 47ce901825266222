//! One tree laid over another: `seaway.` over `traefik.`, flags over environment.

use seaway_config::catalogue::{Kind, OptionSpec};
use seaway_config::tree::Node;

/// What an empty list in the upper tree does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EmptyList {
    /// It says nothing, so that it can never take a router's middlewares away.
    Keeps,
    /// It replaces.
    Replaces,
}

/// Lays `over` over `base`, field by field. `replaced` is told the two keys wherever both trees speak and the upper wins.
pub(crate) fn overlay(
    base: &mut Node,
    over: Node,
    specs: &'static [OptionSpec],
    empty: EmptyList,
    replaced: &mut dyn FnMut(&str, &str),
) {
    for (name, child) in over.children {
        let spec = specs.iter().find(|spec| spec.name.eq_ignore_ascii_case(&name));
        let Some((_, existing)) = base.children.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(&name)) else {
            base.children.push((name, child));
            continue;
        };
        match spec.map(|spec| spec.kind) {
            Some(Kind::List) => {
                if empty == EmptyList::Replaces || has_items(&child) {
                    replaced(&child.key, &existing.key);
                    *existing = child;
                }
            }
            Some(Kind::NamedSections) => {
                lay_value(existing, &child, false, replaced);
                for (name, named) in child.children {
                    match existing.children.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(&name)) {
                        Some((_, node)) => {
                            lay_value(node, &named, false, replaced);
                            overlay(node, named, spec.map_or(&[], |spec| spec.below), empty, replaced);
                        }
                        None => existing.children.push((name, named)),
                    }
                }
            }
            kind => {
                lay_value(existing, &child, kind == Some(Kind::SwitchSection), replaced);
                overlay(existing, child, spec.map_or(&[], |spec| spec.below), empty, replaced);
            }
        }
    }
}

/// The upper value wins. Options given in the upper tree also undo a `false` that the lower gave to their section.
fn lay_value(base: &mut Node, over: &Node, is_switch: bool, replaced: &mut dyn FnMut(&str, &str)) {
    if over.value.is_some() {
        if base.value.is_some() {
            replaced(&over.key, &base.key);
        }
        base.value.clone_from(&over.value);
        base.key.clone_from(&over.key);
    } else if is_switch && !over.children.is_empty() {
        base.value = None;
    }
}

fn has_items(list: &Node) -> bool {
    let filled = |text: &String| text.split(',').any(|item| !item.trim().is_empty());
    list.value.as_ref().is_some_and(filled)
        || list.children.iter().any(|(_, item)| item.value.as_ref().is_some_and(filled))
}
