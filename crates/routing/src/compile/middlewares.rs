//! Middlewares by name, chains flattened.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use seaway_config::model::{Chain, Config, Declared, Errors, Middleware as Declaration};
use seaway_config::suggest::nearest;
use seaway_config::{Code, Diagnostic, Name};
use seaway_middleware::Middleware;

use crate::RoutingTable;
use crate::state::StateRegistry;

use super::report::{Fault, Report, option};

/// Most middlewares that one list may come to: chains of chains grow by powers.
const MAX_FLAT: usize = 256;

type Flat = Result<Box<[Arc<Middleware>]>, Fault>;

/// What became of each configured middleware: the list that stands for it, or why it cannot be used.
#[derive(Debug, Default)]
pub(super) struct Middlewares {
    done: HashMap<Name, Flat>,
    pub(super) leaves: Arc<HashMap<Name, Arc<Middleware>>>,
    /// The names of those that have a state, by their addresses.
    stateful: HashMap<usize, Name>,
    pub(super) diagnostics: Box<[Diagnostic]>,
}

/// A middleware that belongs to one router, as it has a state, and its name.
pub(super) type Own = (Name, Arc<Middleware>);

/// The middlewares of this table, and what distinguishes them from those of the one before.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) all: Arc<Middlewares>,
    /// Those that are new, gone, or come to something else.
    pub(super) changed: HashSet<Name>,
}

/// Compiles all of them, also those that nobody uses: their faults are told as well.
pub(super) fn compile(config: &Config, registry: &StateRegistry, previous: &RoutingTable) -> Compiled {
    let before = &previous.memo.middlewares;
    if config.middlewares.is_same(&previous.config.middlewares) && config.files == previous.config.files {
        return Compiled { all: Arc::clone(before), changed: HashSet::new() };
    }
    let mut compiler = Compiler {
        config,
        registry,
        previous,
        report: Report::default(),
        all: Middlewares::default(),
        leaves: HashMap::new(),
        open: HashMap::new(),
    };
    for name in config.middlewares.keys() {
        compiler.visit(name);
    }
    let Compiler { report, mut all, leaves, .. } = compiler;
    all.leaves = Arc::new(leaves);
    all.diagnostics = report.finish();
    let changed = all.differences(before);
    Compiled { all: Arc::new(all), changed }
}

impl Compiled {
    /// Whether a list of references in `provider` may come to something else than before.
    pub(super) fn touch(&self, references: &[String], provider: &str) -> bool {
        !self.changed.is_empty()
            && references.iter().any(|reference| self.changed.contains(&Name::resolve(reference, provider)))
    }
}

impl Middlewares {
    /// The list for references in `provider`, in order; otherwise all that do not exist, or the first that is broken.
    pub(super) fn flatten(&self, references: &[String], provider: &str) -> Result<Vec<Arc<Middleware>>, Fault> {
        if references.iter().any(|reference| !self.done.contains_key(&Name::resolve(reference, provider))) {
            return Err(self.unknown(references, provider));
        }
        let mut flat = Vec::new();
        for reference in references {
            let name = Name::resolve(reference, provider);
            match self.done.get(&name) {
                Some(Ok(list)) => flat.extend(list.iter().map(Arc::clone)),
                Some(Err(fault)) => {
                    let text = format!("middleware \"{name}\" cannot be used: {}", fault.text);
                    return Err(Fault::new(Code::BrokenMiddleware, text));
                }
                None => {}
            }
            if flat.len() > MAX_FLAT {
                let text = format!("the middlewares, chains counted with their members, are more than {MAX_FLAT}");
                return Err(Fault::new(Code::BadMiddleware, text));
            }
        }
        Ok(flat)
    }

    /// Puts a router's own in the place of those members that have a state. They go on with the state of those that the
    /// router had `before` under the same names.
    pub(super) fn own(&self, chain: &mut [Arc<Middleware>], before: &[Own]) -> Box<[Own]> {
        let mut own: Vec<Own> = Vec::new();
        if self.stateful.is_empty() {
            return own.into();
        }
        for member in chain {
            let Some(name) = self.stateful.get(&address(member)) else { continue };
            // A chain may have the same one more than once.
            let so_far = own.iter().filter(|(known, _)| known == name).count();
            let before = before.iter().filter(|(known, _)| known == name).nth(so_far);
            let Some(mine) = member.for_router(&name.to_string(), before.map(|(_, it)| &**it)) else { continue };
            let mine = Arc::new(mine);
            own.push((name.clone(), Arc::clone(&mine)));
            *member = mine;
        }
        own.into()
    }

    fn differences(&self, before: &Self) -> HashSet<Name> {
        let is_other = |name: &Name, flat: &Flat| match (before.done.get(name), flat) {
            (Some(Ok(before)), Ok(after)) => {
                before.len() != after.len() || !before.iter().zip(after).all(|(a, b)| Arc::ptr_eq(a, b))
            }
            (Some(Err(before)), Err(after)) => before != after,
            _ => true,
        };
        let other = self.done.iter().filter(|(name, flat)| is_other(name, flat)).map(|(name, _)| name);
        other.chain(before.done.keys().filter(|name| !self.done.contains_key(*name))).cloned().collect()
    }

    fn unknown(&self, references: &[String], provider: &str) -> Fault {
        let (mut texts, mut mended, mut declare) = (Vec::new(), Vec::new(), None);
        for reference in references {
            let name = Name::resolve(reference, provider);
            let meant = match self.done.contains_key(&name) {
                true => Some(reference.clone()),
                false => {
                    let text = format!("middleware \"{name}\" does not exist");
                    let meant = self.meant(&name, provider);
                    texts.push(
                        meant.as_ref().map_or_else(|| text.clone(), |meant| format!("{text}; did you mean {meant}?")),
                    );
                    meant
                }
            };
            match meant {
                Some(meant) => mended.push(meant),
                None if declare.is_none() => {
                    let line = format!("traefik.http.middlewares.{}.<type>.<option>=…", name.local);
                    declare = Some(match *name.provider == *provider {
                        true => line,
                        false => format!("{line}, and {} in place of {name}", name.local),
                    });
                }
                None => {}
            }
        }
        texts.dedup();
        let fault = Fault::new(Code::UnknownMiddleware, texts.join("; "));
        match declare {
            Some(line) => fault.line(line),
            None => fault.value(mended.join(",")),
        }
    }

    /// The reference, in `provider`, that was probably meant by one that nothing answers to.
    fn meant(&self, name: &Name, provider: &str) -> Option<String> {
        if let Some(elsewhere) = self.done.keys().filter(|known| known.local == name.local).min() {
            return Some(elsewhere.to_string());
        }
        let near = nearest(&name.local, self.done.keys().map(|known| &*known.local))?;
        let same = self.done.keys().filter(|known| &*known.local == near);
        let meant = same.min_by_key(|known| (&*known.provider != provider, *known))?;
        Some(if &*meant.provider == provider { near.to_owned() } else { meant.to_string() })
    }
}

struct Compiler<'c> {
    config: &'c Config,
    registry: &'c StateRegistry,
    previous: &'c RoutingTable,
    report: Report,
    all: Middlewares,
    leaves: HashMap<Name, Arc<Middleware>>,
    /// Chains that are being visited.
    open: HashMap<&'c Name, ()>,
}

enum Step<'c> {
    Enter(&'c Name),
    Leave(&'c Name, &'c Declared<Declaration>, &'c Chain),
}

impl<'c> Compiler<'c> {
    /// Depth first with a stack of its own: chains may be nested as deeply as labels can say.
    fn visit(&mut self, root: &'c Name) {
        let mut steps = vec![Step::Enter(root)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Enter(name) => self.enter(name, &mut steps),
                Step::Leave(name, declared, chain) => {
                    self.open.remove(name);
                    let outcome = self.all.flatten(&chain.middlewares, &name.provider);
                    self.close(name, declared, outcome.map(Into::into));
                }
            }
        }
    }

    fn enter(&mut self, name: &'c Name, steps: &mut Vec<Step<'c>>) {
        let Some(declared) = self.config.middlewares.get(name) else { return };
        if self.all.done.contains_key(name) {
            return;
        }
        if let Some(diagnostic) = &declared.quarantine {
            self.report.add(diagnostic.clone());
            self.all.done.insert(name.clone(), Err(diagnostic.into()));
            return;
        }
        let Declaration::Chain(chain) = &declared.value else {
            let outcome = self.leaf(name, declared).map(|one| Box::from([one]));
            return self.close(name, declared, outcome);
        };
        self.open.insert(name, ());
        steps.push(Step::Leave(name, declared, chain));
        for member in &chain.middlewares {
            let member = Name::resolve(member, &name.provider);
            let Some((member, _)) = self.config.middlewares.get_key_value(&member) else { continue };
            if self.open.contains_key(member) {
                let text = match member == name {
                    true => "the chain contains itself".to_owned(),
                    false => format!("the chain contains {member}, which leads back to it"),
                };
                self.open.remove(name);
                steps.pop_until_leave(name);
                return self.close(name, declared, Err(Fault::new(Code::ChainLoop, text)));
            }
            if !self.all.done.contains_key(member) {
                steps.push(Step::Enter(member));
            }
        }
    }

    fn leaf(&mut self, name: &Name, declared: &Declared<Declaration>) -> Result<Arc<Middleware>, Fault> {
        let before = self.previous.config.middlewares.get(name);
        let is_same = before.is_some_and(|before| std::ptr::eq(before, declared) || before.value == declared.value);
        let mut files = declared.value.files().into_iter();
        let is_same = is_same && files.all(|path| self.config.files.is_same(&self.previous.config.files, path));
        let known = self.previous.middlewares.get(name).filter(|_| is_same);
        let compiled = match known {
            Some(compiled) => Arc::clone(compiled),
            None => {
                let bad = |text| Fault::new(Code::BadMiddleware, text);
                let compiled =
                    Middleware::compile(&qualified(name, &declared.value), &self.config.files).map_err(bad)?;
                if let Some(tls) = compiled.tls()
                    && let Some(made) = self.registry.connector(tls.options())
                {
                    tls.connect_with(made).map_err(bad)?;
                }
                Arc::new(compiled)
            }
        };
        if compiled.for_router("", None).is_some() {
            self.all.stateful.insert(address(&compiled), name.clone());
        }
        self.leaves.insert(name.clone(), Arc::clone(&compiled));
        Ok(compiled)
    }

    fn close(&mut self, name: &'c Name, declared: &Declared<Declaration>, outcome: Flat) {
        if let Err(fault) = &outcome {
            let code = match fault.code {
                // What is said of a router's reference would point at the wrong object here.
                Code::BrokenMiddleware | Code::UnknownMiddleware => Code::BadMiddleware,
                code => code,
            };
            let found = Diagnostic::error(
                code,
                option(&declared.origin, declared.value.kind()),
                fault.text.clone(),
                format!("every router that uses middleware {name} answers 503"),
            );
            self.report.add(found.fix(fault.fix(&declared.origin, "middlewares", &name.local, "chain.middlewares")));
        }
        self.all.done.insert(name.clone(), outcome);
    }
}

/// The middleware with the service that it names in full: its own provider's unless it says another.
fn qualified<'d>(name: &Name, declared: &'d Declaration) -> Cow<'d, Declaration> {
    match declared {
        Declaration::Errors(errors) if !errors.service.trim().is_empty() => {
            let service = Name::resolve(errors.service.trim(), &name.provider).to_string();
            Cow::Owned(Declaration::Errors(Errors { service, ..errors.clone() }))
        }
        other => Cow::Borrowed(other),
    }
}

/// Tells leaves of one table from one another.
fn address(middleware: &Arc<Middleware>) -> usize {
    Arc::as_ptr(middleware).addr()
}

/// Takes back what a chain has put on the stack of steps.
trait Unwind<'c> {
    fn pop_until_leave(&mut self, name: &Name);
}

impl<'c> Unwind<'c> for Vec<Step<'c>> {
    fn pop_until_leave(&mut self, name: &Name) {
        while let Some(step) = self.pop() {
            if matches!(step, Step::Leave(leaving, ..) if leaving == name) {
                return;
            }
        }
    }
}
