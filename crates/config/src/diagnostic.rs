//! Diagnostics: what is wrong, where, what happens now, and the line that would fix it.

use std::fmt;

use serde::Serialize;

/// Where a piece of configuration came from, precise enough to point a person at the line.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Origin {
    /// The provider: `docker`, `internal`, `demo`, `flags`, …
    pub provider: Box<str>,
    /// What inside the provider: a container's name.
    pub resource: Box<str>,
    /// The full key as the person wrote it: `traefik.http.routers.web.rule`. Empty when the whole resource is meant.
    pub key: Box<str>,
}

impl Origin {
    /// An origin that names a whole resource.
    pub fn resource(provider: &str, resource: &str) -> Self {
        Self { provider: provider.into(), resource: resource.into(), key: "".into() }
    }

    /// The same resource, at one key.
    pub fn at(&self, key: &str) -> Self {
        Self { key: key.into(), ..self.clone() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.resource.is_empty(), self.key.is_empty()) {
            (true, true) => write!(f, "{}", self.provider),
            (true, false) => write!(f, "{}: {}", self.provider, self.key),
            (false, true) => write!(f, "{} {}", self.provider, self.resource),
            (false, false) => write!(f, "{} {}: {}", self.provider, self.resource, self.key),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing is switched off.
    Info,
    /// Something was ignored or chosen for you; requests are still served as configured.
    Warning,
    /// Something configured is not published.
    Error,
}

/// The stable code of a diagnostic: `SW0101`. Never re-used for another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Code {
    // 01xx: labels as text
    /// A label has an option that does not exist.
    UnknownOption = 101,
    /// A label's value has the wrong form.
    BadValue = 102,
    /// A label gives a value to a section that only has options below it.
    StandaloneSection = 103,
    /// A label under the root cannot be given to one object, so every router of the container is off.
    UnassignableLabel = 104,
    /// A label root looks like a misspelt `traefik` or `seaway`.
    NearMissRoot = 105,
    /// A provider label (`traefik.enable`, `traefik.docker.*`) cannot be read.
    BadProviderLabel = 106,
    /// A label is too long, too deep, or there are too many of them.
    LabelLimit = 107,
    /// An option that is known but does not work yet.
    NotSupportedYet = 108,
    /// Two labels say different things about one option.
    DuplicateLabel = 110,
    /// A container's labels are not all valid UTF-8 or contain control characters.
    BadText = 111,
    /// The name of a router, service or middleware has a character that names cannot have.
    BadName = 112,
    /// An option that is accepted and has no effect any more.
    RemovedOption = 113,

    // 02xx: routers
    /// The rule of a router does not parse.
    BadRule = 201,
    /// A router has a fault, so it answers 503 in place of serving.
    RouterQuarantined = 202,
    /// A router names a middleware that does not exist.
    UnknownMiddleware = 203,
    /// A router uses a middleware that is broken.
    BrokenMiddleware = 204,
    /// A router names a service that does not exist.
    UnknownService = 205,
    /// A router names an entry point that does not exist.
    UnknownEntryPoint = 206,
    /// A router has no service and its container declares several.
    AmbiguousService = 207,
    /// Two routers have the same priority and may match the same requests; the name decides.
    EqualPriority = 208,
    /// A router asks for TLS, which does not work yet; it is never served in clear.
    TlsNotSupportedYet = 209,
    /// A router asks for an internal service that labels may not use.
    InternalServiceRefused = 210,
    /// A priority is out of range.
    BadPriority = 211,
    /// The default rule could not be rendered for this router.
    BadDefaultRule = 212,
    /// A router's service is quarantined or broken.
    BrokenService = 213,

    // 03xx: services and servers
    /// A service has a fault that could change where requests go, so it is off.
    ServiceQuarantined = 301,
    /// No port is exposed and no label names one.
    NoPort = 302,
    /// The container has no address to reach it by.
    NoAddress = 303,
    /// Seaway shares no network with the server.
    UnreachableServer = 304,
    /// `server.url` cannot be combined with `server.port` or `server.scheme`.
    UrlConflict = 305,
    /// A port is not a number from 1 to 65535.
    BadPort = 306,
    /// The named network is not attached to the container.
    UnknownNetwork = 307,
    /// The container is on several networks and none is named; one was chosen.
    SeveralNetworks = 308,
    /// A service has no load balancer.
    EmptyService = 309,
    /// A server's URL cannot be used.
    BadServerUrl = 310,
    /// A server was not ready within the time it had; it stays out until its port accepts.
    NotReady = 311,
    /// A service is of several kinds at once.
    ServiceKinds = 312,
    /// A service leads back to itself.
    ServiceLoop = 313,
    /// A service names another one that does not exist or cannot be used.
    BrokenChild = 314,
    /// A service names a servers transport that does not exist.
    UnknownTransport = 315,
    /// A servers transport cannot be used: a certificate cannot be read, or an option means nothing.
    BadTransport = 316,

    // 04xx: middlewares
    /// A middleware has a fault, so every router that uses it is off.
    BadMiddleware = 401,
    /// A middleware declares no type, or more than one.
    MiddlewareTypeCount = 402,
    /// Chains refer to one another in a circle.
    ChainLoop = 403,

    // 05xx: conflicts
    /// Two owners define the same object; the one who held it first keeps it.
    NameConflict = 501,
    /// One owner's containers define the same object differently; the newest valid definition is used.
    DefinitionChanged = 502,
    /// A container's own definition of a router cannot be used, so its server is kept from the one in force.
    Withheld = 503,
    /// Two files declare the same object; neither definition is used.
    DuplicateObject = 504,

    // 06xx: the provider
    /// The Docker Engine cannot be reached.
    EngineUnreachable = 601,
    /// The constraints expression cannot be read.
    BadConstraints = 602,
    /// A container could not be inspected.
    InspectFailed = 603,
    /// A configuration file cannot be read, or its text is not what its name says; its last good content stays in force.
    UnreadableFile = 604,
    /// The template of a configuration file cannot be filled in; its last good content stays in force.
    BadTemplate = 605,
    /// A provider that is polled does not answer; what it said last stays in force.
    ProviderUnreachable = 606,

    // 07xx: static options
    /// A static option does not exist.
    UnknownStaticOption = 701,
    /// A static option's value has the wrong form.
    BadStaticValue = 702,
    /// An address cannot be listened on.
    BadAddress = 703,
    /// A file with static options cannot be read.
    BadStaticFile = 704,

    // 08xx: what `seaway check` finds beyond what the proxy says
    /// A compose file cannot be read, or a part of it.
    UnreadableCompose = 801,
    /// A variable in a compose file is not set, so nothing stands in its place.
    UnsetVariable = 802,
    /// Labels below `deploy` that no container gets.
    DeployLabels = 803,
    /// Another router takes every request of this one.
    ShadowedRouter = 804,
    /// A rule for all hosts is longer than a rule for one host, so it is tried first.
    CatchAllFirst = 805,
    /// A cookie with `SameSite=None` that is not `Secure`: browsers refuse it.
    SameSiteWithoutSecure = 806,
    /// A scaled service has a fixed container name.
    ScaledContainerName = 807,
    /// A scaled service publishes a fixed port of the host.
    ScaledHostPort = 808,
    /// Stickiness of a service with one server does nothing.
    StickyAlone = 809,
    /// Something that the check cannot see from where it runs.
    Unseen = 810,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SW{:04}", *self as u16)
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One thing that is wrong or was decided for the user, said once and clearly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The stable code.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// Where: provider, container, full label key.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What happens now.
    pub consequence: String,
    /// The line that would fix it; empty if there is none to name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

impl Diagnostic {
    /// An error: something configured is not published.
    pub fn error(code: Code, origin: Origin, message: impl Into<String>, consequence: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, origin, message.into(), consequence.into())
    }

    /// A warning: something was ignored or chosen.
    pub fn warning(code: Code, origin: Origin, message: impl Into<String>, consequence: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, origin, message.into(), consequence.into())
    }

    /// The same with the line that would fix it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = fix.into();
        self
    }

    fn new(code: Code, severity: Severity, origin: Origin, message: String, consequence: String) -> Self {
        Self { code, severity, origin, message, consequence, fix: String::new() }
    }
}

impl fmt::Display for Diagnostic {
    /// `SW0101 docker web-1: traefik.http.routers.web.rul: no such option; router web@docker answers 503; fix: …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.origin, self.message)?;
        if !self.consequence.is_empty() {
            write!(f, "; {}", self.consequence)?;
        }
        if !self.fix.is_empty() {
            write!(f, "; fix: {}", self.fix)?;
        }
        Ok(())
    }
}
