//! One worker's part.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cells::{Cells, Slot, place, tally};
use super::exchange::{Exchange, Measured};
use super::headers::{HeaderValues, shown};
use super::subject::{Identity, Kind, Subject};
use super::{Metrics, lock};

/// What one worker counts with. It belongs to one thread. Only for a subject that is new to this worker something is asked
/// that all share; counting waits for nobody.
#[derive(Debug)]
pub struct WorkerMetrics {
    metrics: Arc<Metrics>,
    number: usize,
    /// By their numbers.
    entry_points: RefCell<Vec<Rc<Subject>>>,
    /// Routers and services.
    subjects: RefCell<HashMap<Identity, Rc<Subject>>>,
    /// New cells that a scrape cannot read yet, because one was taking over the list when they came.
    pending: RefCell<Vec<Arc<Cells>>>,
    /// How far [`Metrics::forgotten`] was when this worker last looked.
    forgotten: Cell<u64>,
}

impl WorkerMetrics {
    pub(super) fn new(metrics: Arc<Metrics>, number: usize) -> Self {
        let forgotten = Cell::new(metrics.forgotten.load(Ordering::Acquire));
        let (entry_points, subjects, pending) = (RefCell::default(), RefCell::default(), RefCell::default());
        Self { metrics, number, entry_points, subjects, pending, forgotten }
    }

    /// An entry point, by its name.
    pub fn entry_point(&self, name: &str) -> Rc<Subject> {
        let mut entry_points = self.entry_points.borrow_mut();
        if let Some(known) = entry_points.iter().find(|known| *known.label.identity.name == *name) {
            return Rc::clone(known);
        }
        let identity = Identity { kind: Kind::EntryPoint, name: name.into(), service: "".into() };
        let label = self.metrics.label(&identity);
        let own = self.told(Cells::new(&label, Slot::Connections, 2));
        let subject = Subject::new(label, entry_points.len(), self.metrics.options.entry_points, Some(own));
        let subject = Rc::new(subject);
        entry_points.push(Rc::clone(&subject));
        subject
    }

    /// A service, by its qualified name; `None` where nothing is counted by service.
    pub fn service(&self, name: &str) -> Option<Rc<Subject>> {
        self.metrics.options.services.then(|| self.subject(Kind::Service, name, ""))
    }

    /// A router, by its qualified name and its service's; `None` where nothing is counted by router.
    pub fn router(&self, name: &str, service: &str) -> Option<Rc<Subject>> {
        self.metrics.options.routers.then(|| self.subject(Kind::Router, name, service))
    }

    /// True if something is counted by service.
    pub fn has_services(&self) -> bool {
        self.metrics.options.services
    }

    /// True if something is counted by router.
    pub fn has_routers(&self) -> bool {
        self.metrics.options.routers
    }

    /// Counts an exchange that has ended: for its entry point, its router, and the service that it got as far as.
    #[inline]
    pub fn count(&self, entry: &Subject, router: Option<&Subject>, service: Option<&Subject>, exchange: &Exchange) {
        let measured = Measured::new(exchange, &self.metrics.bounds);
        entry.count(&measured, |slot| self.cells(entry, slot));
        if let Some(router) = router {
            router.count(&measured, |slot| self.cells(router, slot));
        }
        if let Some(service) = service {
            let measured = measured.with_status(exchange.service_status);
            service.count(&measured, |slot| self.cells(service, slot));
            service.decided(exchange);
        }
        if !self.metrics.options.header_labels.is_empty() {
            self.count_headed(entry, router, service, exchange, measured);
        }
        if let Some(reason) = exchange.own_answer {
            entry.reason(Slot::OwnAnswer(reason), |slot| self.cells(entry, slot));
        }
        if let Some(reason) = exchange.unrouted {
            entry.reason(Slot::Unrouted(reason), |slot| self.cells(entry, slot));
        }
        if let Some(reason) = exchange.broken {
            entry.reason(Slot::Broken(reason), |slot| self.cells(entry, slot));
        }
    }

    /// The values of the headers that are labels; the same for all requests where none is, and then nobody looks at them.
    pub fn header_values<'h>(&self, headers: impl FnOnce() -> &'h http::HeaderMap) -> HeaderValues {
        let labels = &self.metrics.options.header_labels;
        if labels.is_empty() {
            return HeaderValues::default();
        }
        let headers = headers();
        let value = |name| headers.get(name).map_or_else(|| "".into(), |value| shown(value.as_bytes()));
        self.metrics.headers.number(labels.iter().map(|(_, name)| value(name)).collect())
    }

    fn count_headed(
        &self,
        entry: &Subject,
        router: Option<&Subject>,
        service: Option<&Subject>,
        exchange: &Exchange,
        measured: Measured,
    ) {
        let values = exchange.headers;
        if self.metrics.options.entry_points {
            entry.headed(measured.key, values, |slot| self.cells(entry, slot));
        }
        if let Some(router) = router {
            router.headed(measured.key, values, |slot| self.cells(router, slot));
        }
        if let Some(service) = service {
            let key = measured.with_status(exchange.service_status).key;
            service.headed(key, values, |slot| self.cells(service, slot));
        }
    }

    /// Counts a connection as open until what is returned is dropped.
    pub fn open(&self, entry: &Rc<Subject>) -> OpenConnection {
        if let Some(cells) = &entry.own {
            cells.add(0, 1);
        }
        OpenConnection(Rc::clone(entry))
    }

    /// Hands over what could not be handed over before, and lets go of what has been forgotten. To be called now and
    /// then.
    pub fn tidy(&self) {
        self.hand_over();
        let forgotten = self.metrics.forgotten.load(Ordering::Acquire);
        if self.forgotten.get() == forgotten {
            return;
        }
        let Some(Ok(mut list)) = self.metrics.workers.get(self.number).map(|list| list.try_lock()) else { return };
        list.retain(|cells| !cells.label.is_forgotten());
        drop(list);
        self.subjects.borrow_mut().retain(|_, subject| !subject.label.is_forgotten());
        self.forgotten.set(forgotten);
    }

    fn subject(&self, kind: Kind, name: &str, service: &str) -> Rc<Subject> {
        let identity = Identity { kind, name: name.into(), service: service.into() };
        let mut subjects = self.subjects.borrow_mut();
        if let Some(subject) = subjects.get(&identity).filter(|subject| !subject.label.is_forgotten()) {
            return Rc::clone(subject);
        }
        let label = self.metrics.label(&identity);
        let own = (kind == Kind::Service).then(|| self.told(Cells::new(&label, Slot::Tally, tally::COUNT)));
        let subject = Rc::new(Subject::new(label, 0, true, own));
        subjects.insert(identity, Rc::clone(&subject));
        subject
    }

    /// New cells for a subject.
    fn cells(&self, subject: &Subject, slot: Slot) -> Arc<Cells> {
        let count = match slot {
            Slot::Exchanges(_) => place::BUCKETS + self.metrics.bounds.len() + 1,
            Slot::Tally => tally::COUNT,
            Slot::Connections => 2,
            Slot::Headed(..) | Slot::OwnAnswer(_) | Slot::Unrouted(_) | Slot::Broken(_) => 1,
        };
        self.told(Cells::new(&subject.label, slot, count))
    }

    /// The same cells, told to whoever scrapes.
    fn told(&self, cells: Arc<Cells>) -> Arc<Cells> {
        self.pending.borrow_mut().push(Arc::clone(&cells));
        self.hand_over();
        cells
    }

    fn hand_over(&self) {
        let mut pending = self.pending.borrow_mut();
        if !pending.is_empty()
            && let Some(Ok(mut list)) = self.metrics.workers.get(self.number).map(|list| list.try_lock())
        {
            list.append(&mut pending);
        }
    }
}

impl Drop for WorkerMetrics {
    fn drop(&mut self) {
        // The last chance: what waits for it is at most one list being copied.
        if let Some(list) = self.metrics.workers.get(self.number) {
            lock(list).append(&mut self.pending.borrow_mut());
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct OpenConnection(Rc<Subject>);

impl OpenConnection {
    /// The entry point that it came by.
    pub fn entry_point(&self) -> &Subject {
        &self.0
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(cells) = &self.0.own {
            cells.add(1, 1);
        }
    }
}
