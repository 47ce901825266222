//! One name, several claims: whose definition counts, who shares it, who is refused.

use std::collections::BTreeMap;
use std::fmt;

use seaway_config::{Code, Declared, Diagnostic, Severity};

use super::{Found, Standing};
use crate::docker::{Owner, Partial};

/// The kinds of named objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Router,
    Service,
    Middleware,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Router => "router",
            Self::Service => "service",
            Self::Middleware => "middleware",
        })
    }
}

/// One container's definition of the name in question.
#[derive(Debug)]
pub(super) struct Claim<'a, T> {
    pub(super) partial: &'a Partial,
    pub(super) declared: &'a Declared<T>,
    pub(super) standing: Standing,
}

impl<T> Clone for Claim<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Claim<'_, T> {}

impl<T: Same> Claim<'_, T> {
    fn is_valid(&self) -> bool {
        self.declared.quarantine.is_none()
    }

    fn age(&self) -> (&str, &str) {
        (&self.partial.created, &self.partial.id)
    }

    /// It will take the other's place as soon as its container is ready.
    pub(super) fn is_ahead_of(&self, winner: &Self) -> bool {
        let of_one = self.partial.owner == winner.partial.owner;
        of_one
            && self.is_valid()
            && self.standing == Standing::Running
            && self.age() > winner.age()
            && !self.same(winner)
    }

    fn same(&self, other: &Self) -> bool {
        let fault = |claim: &Self| claim.declared.quarantine.as_ref().map(|d| d.code);
        fault(self) == fault(other) && self.declared.value.same(&other.declared.value)
    }
}

/// Says whether two definitions are one.
pub(super) trait Same {
    /// The same, but for what belongs to each container alone.
    fn same(&self, other: &Self) -> bool;
}

impl Same for seaway_config::Router {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Same for seaway_config::Middleware {
    fn same(&self, other: &Self) -> bool {
        self == other
    }
}

impl Same for seaway_config::Service {
    fn same(&self, other: &Self) -> bool {
        self.options == other.options
    }
}

/// The outcome for one name.
#[derive(Debug)]
pub(super) struct Settled<'a, T> {
    pub(super) kind: Kind,
    pub(super) name: &'a str,
    /// Whose definition counts.
    pub(super) winner: Claim<'a, T>,
    /// Everyone whose servers belong to it.
    pub(super) members: Vec<Claim<'a, T>>,
    /// Owners whose definition is not used.
    pub(super) refused: Vec<&'a Owner>,
    /// Chosen by readiness among several.
    pub(super) undecided: bool,
    pub(super) diagnostics: Vec<Found>,
}

/// Settles one name. `held` is who held it so far; `tainted` names what was refused to an owner and is meant by its
/// definition: such a definition is never taken for another owner's, though it reads the same. Nothing comes of no
/// claims.
pub(super) fn settle<'a, T: Same>(
    kind: Kind,
    provider: &str,
    name: &'a str,
    claims: &[Claim<'a, T>],
    held: Option<&Owner>,
    tainted: &dyn Fn(&Owner, &T) -> Option<String>,
) -> Option<Settled<'a, T>> {
    let mut by_owner: BTreeMap<&'a Owner, Vec<Claim<'a, T>>> = BTreeMap::new();
    for claim in claims {
        by_owner.entry(&claim.partial.owner).or_default().push(*claim);
    }
    let object = format!("{kind} {name}@{provider}");
    let mut diagnostics = Vec::new();
    let mut undecided = false;
    let mut candidates: Vec<(Candidate<'a, T>, &[Claim<'a, T>])> = Vec::new();
    for (owner, claims) in &by_owner {
        let Some(candidate) = candidate(claims) else { continue };
        if candidate.chosen {
            undecided = true;
            diagnostics.push(changed(owner, &object, &candidate.claim));
        }
        candidates.push((candidate, claims));
    }
    let oldest = |(candidate, _): &&(Candidate<'a, T>, &[Claim<'a, T>])| candidate.oldest.clone();
    let holder = candidates
        .iter()
        .find(|(c, _)| Some(&c.claim.partial.owner) == held)
        .or_else(|| candidates.iter().min_by_key(oldest));
    let winner = holder?.0.claim;
    let mut settled = Settled { kind, name, winner, members: Vec::new(), refused: Vec::new(), undecided, diagnostics };
    for (candidate, claims) in &candidates {
        let owner = &candidate.claim.partial.owner;
        let own = *owner == winner.partial.owner;
        if own || (candidate.claim.same(&winner) && tainted(owner, &candidate.claim.declared.value).is_none()) {
            // A definition that is off may have lost what protects its server.
            let good = |c: &&Claim<'a, T>| c.is_valid() || !winner.is_valid();
            settled.members.extend(claims.iter().filter(good));
        } else {
            settled.refused.push(owner);
            settled.diagnostics.push(conflict(kind, name, &object, &candidate.claim, &winner));
        }
    }
    Some(settled)
}

struct Candidate<'a, T> {
    claim: Claim<'a, T>,
    /// The oldest container of the owner, for the question who was there first.
    oldest: (String, String),
    /// There were differing definitions to choose from.
    chosen: bool,
}

/// The definition that counts among one owner's.
fn candidate<'a, T: Same>(claims: &[Claim<'a, T>]) -> Option<Candidate<'a, T>> {
    let oldest = claims.iter().min_by_key(|c| c.age())?;
    let best = claims.iter().max_by_key(|c| (c.is_valid(), c.standing, c.age()))?;
    let chosen = claims.iter().any(|c| !c.same(best));
    // Where all say the same, the oldest speaks: scaling up and down does not change who does.
    let claim = if chosen { *best } else { *oldest };
    let (created, id) = oldest.age();
    Some(Candidate { claim, oldest: (created.to_owned(), id.to_owned()), chosen })
}

fn changed<T>(owner: &Owner, object: &str, winner: &Claim<'_, T>) -> Found {
    let mut diagnostic = Diagnostic::warning(
        Code::DefinitionChanged,
        winner.declared.origin.clone(),
        format!("the containers of {owner} define {object} differently"),
        format!("the definition of {} is used", winner.partial.container),
    );
    diagnostic.severity = Severity::Info;
    Found { whose: owner.to_string().into(), diagnostic }
}

fn conflict<T>(kind: Kind, name: &str, object: &str, newcomer: &Claim<'_, T>, holder: &Claim<'_, T>) -> Found {
    let (first, second) = (&holder.partial.owner, &newcomer.partial.owner);
    let gone = if holder.standing == Standing::Gone { ", which ended less than a minute ago" } else { "" };
    let diagnostic = Diagnostic::error(
        Code::NameConflict,
        newcomer.declared.origin.clone(),
        format!("{object} is defined differently by {first}"),
        format!("the definition of {first}{gone} stays in force, and that of {second} is not used"),
    )
    .fix(format!("give this {kind} a name of its own, such as {}", suggestion(name, second)));
    Found { whose: second.to_string().into(), diagnostic }
}

fn suggestion(name: &str, owner: &Owner) -> String {
    let suffix = match owner {
        Owner::Compose { project, .. } => project,
        Owner::Container(container) => container,
    };
    format!("{name}-{}", seaway_labels::default_rule::normalize(suffix))
}
