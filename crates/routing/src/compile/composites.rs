//! Services that stand before others, made after those.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use seaway_config::model::{
    Declared, Failover as FailoverOptions, Mirroring as MirroringOptions, Service as FoundService, WeightedMember,
};
use seaway_config::suggest::nearest;
use seaway_config::{Code, Name};

use crate::balancer::{Balancer, Strategy};
use crate::composite::{Child, Composite, ErrorAnswers, Failover, MAX_DEPTH, Mirror, Mirroring, Weighted};
use crate::{RoutingTable, Service};

use super::report::{Fault, Report};
use super::services::{Outcome, Parts, ServiceMap, Usable, kinds, refuse};

/// Most services that one may come to, those behind it counted as often as they are met.
const MAX_FLAT: usize = 256;

/// It stands before others, and may be used as far as it is known by itself.
pub(super) fn is_composite(declared: &Declared<FoundService>) -> bool {
    let options = &declared.value.options;
    declared.quarantine.is_none() && options.load_balancer.is_none() && kinds(options).len() == 1
}

/// Makes all of them. `leaves` are all other services.
pub(super) fn compile(
    parts: &Parts<'_>,
    names: &BTreeSet<Name>,
    leaves: &ServiceMap,
    previous: &RoutingTable,
) -> Vec<(Name, Outcome)> {
    let all: HashMap<&Name, Vec<(String, Name)>> = names.iter().map(|name| (name, children(parts, name))).collect();
    let mut compiler = Compiler { parts, leaves, previous, names, done: Vec::new(), sizes: HashMap::new() };
    let mut left: BTreeSet<&Name> = names.iter().collect();
    // Each round makes those all of whose children are made.
    loop {
        let is_ready = |name: &&&Name| all.get(**name).is_none_or(|c| c.iter().all(|(_, child)| !left.contains(child)));
        let ready: Vec<&Name> = left.iter().filter(is_ready).copied().collect();
        if ready.is_empty() {
            break;
        }
        for name in ready {
            left.remove(name);
            compiler.make(name, all.get(name).map_or(&[], |children| &**children), None);
        }
    }
    // The rest are circles, and what leads to one.
    for name in &left {
        let fault = match leads_to(name, name, &all, &left) {
            true => Fault::new(Code::ServiceLoop, format!("the service \"{name}\" leads back to itself")),
            false => Fault::new(Code::BrokenChild, format!("what stands behind service \"{name}\" leads to itself")),
        };
        compiler.make(name, &[], Some(fault));
    }
    compiler.done
}

fn leads_to(from: &Name, to: &Name, all: &HashMap<&Name, Vec<(String, Name)>>, left: &BTreeSet<&Name>) -> bool {
    let (mut open, mut seen) = (vec![from], BTreeSet::new());
    while let Some(name) = open.pop() {
        for (_, child) in all.get(name).into_iter().flatten() {
            if child == to {
                return true;
            }
            if left.contains(child) && seen.insert(child) {
                open.push(child);
            }
        }
    }
    false
}

/// The services that it names: the option, and who is meant.
fn children(parts: &Parts<'_>, name: &Name) -> Vec<(String, Name)> {
    let Some(declared) = parts.config.services.get(name) else { return Vec::new() };
    let options = &declared.value.options;
    let resolve = |reference: &str| Name::resolve(reference, &name.provider);
    let members = |kind: &'static str, members: &[WeightedMember]| -> Vec<_> {
        let at = |(index, it): (usize, &WeightedMember)| (format!("{kind}.services[{index}].name"), resolve(&it.name));
        members.iter().enumerate().map(at).collect()
    };
    if let Some(it) = &options.weighted {
        members("weighted", &it.services)
    } else if let Some(it) = &options.highest_random_weight {
        members("highestrandomweight", &it.services)
    } else if let Some(it) = &options.mirroring {
        let mirrors = it.mirrors.iter().enumerate();
        let mirrors = mirrors.map(|(index, m)| (format!("mirroring.mirrors[{index}].name"), resolve(&m.name)));
        std::iter::once(("mirroring.service".to_owned(), resolve(&it.service))).chain(mirrors).collect()
    } else if let Some(it) = &options.failover {
        let named = [("failover.service", &it.service), ("failover.fallback", &it.fallback)];
        named.map(|(at, reference)| (at.to_owned(), resolve(reference))).into()
    } else {
        Vec::new()
    }
}

struct Compiler<'c> {
    parts: &'c Parts<'c>,
    leaves: &'c ServiceMap,
    previous: &'c RoutingTable,
    names: &'c BTreeSet<Name>,
    done: Vec<(Name, Outcome)>,
    /// How deep each goes, and to how many services it comes.
    sizes: HashMap<Name, (usize, usize)>,
}

impl Compiler<'_> {
    fn make(&mut self, name: &Name, children: &[(String, Name)], fault: Option<Fault>) {
        let Some(declared) = self.parts.config.services.get(name) else { return };
        let mut report = Report::default();
        let usable = match fault {
            Some(fault) => Err((String::new(), fault)),
            None => self.usable(name, declared, children),
        };
        let usable = usable.map_err(|(at, fault)| refuse(name, declared, &at, fault, &mut report));
        self.done.push((name.clone(), Outcome { usable, diagnostics: report.finish(), plain: true }));
    }

    fn usable(
        &mut self,
        name: &Name,
        declared: &Declared<FoundService>,
        children: &[(String, Name)],
    ) -> Result<Usable, (String, Fault)> {
        let options = &declared.value.options;
        let (mut depth, mut size) = (0, 1);
        for (at, child) in children {
            let fault = self.fault(child).map(|fault| (at.clone(), fault));
            fault.map_or(Ok(()), Err)?;
            let (deep, many) = self.sizes.get(child).copied().unwrap_or((0, 1));
            depth = depth.max(deep + 1);
            size += many;
        }
        let too = |text: String| Err((String::new(), Fault::new(Code::ServiceQuarantined, text)));
        if depth > MAX_DEPTH {
            return too(format!("services stand before one another more than {MAX_DEPTH} times"));
        }
        if size > MAX_FLAT {
            return too(format!("the service comes to more than {MAX_FLAT} others"));
        }
        self.sizes.insert(name.clone(), (depth, size));
        let before = self.previous.memo.services.get(name).and_then(|before| before.usable.as_ref().ok());
        let before = before.map(|before| &*before.service);
        let state = self.parts.registry.service(name);
        let composite = if let Some(it) = &options.weighted {
            let members = members(&it.services, name).map_err(|(at, f)| (format!("weighted.services{at}"), f))?;
            let cookie = it.sticky.as_ref().and_then(|sticky| sticky.cookie.as_ref());
            Composite::Weighted(Weighted::new(members, cookie, name, &state, before))
        } else if let Some(it) = &options.highest_random_weight {
            let members = members(&it.services, name);
            Composite::Rendezvous(members.map_err(|(at, f)| (format!("highestrandomweight.services{at}"), f))?)
        } else if let Some(it) = &options.mirroring {
            mirroring(it, name, before)?
        } else if let Some(it) = &options.failover {
            failover(it, name)?
        } else {
            return Err((
                String::new(),
                Fault::new(Code::EmptyService, format!("the service \"{name}\" is of no kind")),
            ));
        };
        let chain = self.parts.middlewares.all.flatten(&options.middlewares, &name.provider);
        let chain = chain.map_err(|fault| ("middlewares".to_owned(), fault))?;
        let service = Service {
            name: name.clone(),
            label: name.to_string().into(),
            balancer: Balancer::default(),
            strategy: Strategy::RoundRobin,
            servers: Box::default(),
            sticky: None,
            pass_host_header: true,
            transport: Arc::clone(self.parts.registry.usual_transport()),
            active_check: None,
            passive_check: None,
            composite: Some(Box::new(composite)),
            state,
        };
        Ok(Usable { service: Arc::new(service), chain: chain.into() })
    }

    /// Why a service cannot be used behind another one.
    fn fault(&self, child: &Name) -> Option<Fault> {
        let made = self.done.iter().find(|(name, _)| name == child).map(|(_, outcome)| outcome);
        let known = made.or_else(|| self.leaves.get(child).filter(|_| !self.names.contains(child)));
        match known.map(|outcome| &outcome.usable) {
            Some(Ok(usable)) if usable.chain.is_empty() => None,
            Some(Ok(_)) => {
                let text = format!(
                    "the service \"{child}\" has middlewares of its own, which do not work behind another service yet"
                );
                Some(Fault::new(Code::NotSupportedYet, text))
            }
            Some(Err(fault)) => {
                let text = format!("the service \"{child}\" cannot be used: {}", fault.text);
                Some(Fault::new(Code::BrokenChild, text))
            }
            None => {
                let fault = Fault::new(Code::BrokenChild, format!("the service \"{child}\" does not exist"));
                let names = || self.leaves.keys();
                let elsewhere = names().filter(|known| known.local == child.local).min().map(Name::to_string);
                let near = || nearest(&child.local, names().map(|known| &*known.local)).map(str::to_owned);
                Some(match elsewhere.or_else(near) {
                    Some(meant) => fault.value(meant),
                    None => fault,
                })
            }
        }
    }
}

type At<T> = Result<T, (String, Fault)>;

/// The members with their shares.
fn members(members: &[WeightedMember], name: &Name) -> At<Box<[Child]>> {
    if members.is_empty() {
        return Err((String::new(), Fault::new(Code::EmptyService, format!("the service \"{name}\" names no others"))));
    }
    let member = |(index, it): (usize, &WeightedMember)| {
        // Zero or less takes none.
        let weight = u32::try_from(it.weight.max(0)).map_err(|_| {
            let text = format!("a weight is at most {}", u32::MAX);
            (format!("[{index}].weight"), Fault::new(Code::BadValue, text))
        })?;
        Ok(Child { written: it.name.as_str().into(), name: Name::resolve(&it.name, &name.provider), weight })
    };
    members.iter().enumerate().map(member).collect()
}

fn mirroring(options: &MirroringOptions, name: &Name, before: Option<&Service>) -> At<Composite> {
    let mirror = |(index, it): (usize, &seaway_config::model::Mirror)| {
        let percent = u8::try_from(it.percent).ok().filter(|percent| *percent <= 100).ok_or_else(|| {
            let text = format!("a percentage from 0 to 100 is expected, not {}", it.percent);
            (format!("mirroring.mirrors[{index}].percent"), Fault::new(Code::BadValue, text))
        })?;
        Ok(Mirror { name: Name::resolve(&it.name, &name.provider), percent })
    };
    let mirrors = options.mirrors.iter().enumerate().map(mirror).collect::<Result<_, _>>()?;
    let main = Name::resolve(&options.service, &name.provider);
    let most = u64::try_from(options.max_body_size).ok();
    Ok(Composite::Mirroring(Mirroring::new(main, mirrors, options.mirror_body, most, before)))
}

fn failover(options: &FailoverOptions, name: &Name) -> At<Composite> {
    let errors = options.errors.as_ref().map(|errors| {
        let statuses = errors.status.iter().map(|text| {
            let (from, to) = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (100..600).contains(status));
            number(from).zip(number(to)).filter(|(from, to)| from <= to).ok_or_else(|| {
                let text = format!(
                    "a status such as 503, or a range such as 500-599 is expected, not `{}`",
                    text.escape_debug()
                );
                ("failover.errors.status".to_owned(), Fault::new(Code::BadValue, text))
            })
        });
        let statuses = statuses.collect::<Result<_, _>>()?;
        Ok(ErrorAnswers { statuses, most: u64::try_from(errors.max_request_body_bytes).ok() })
    });
    let resolve = |reference: &str| Name::resolve(reference, &name.provider);
    let (main, fallback) = (resolve(&options.service), resolve(&options.fallback));
    Ok(Composite::Failover(Failover { main, fallback, errors: errors.transpose()? }))
}
