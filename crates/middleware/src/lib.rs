//! Every middleware: its compiled form and its hooks.
//!
//! A middleware is one variant of [`Middleware`]. It changes the request head on the way in and the response head on
//! the way out, or answers by itself. What a hook cannot do here (ask another server, wait, check a slow hash) it
//! returns as a value; `proxy` does it and resumes the hook. So each is tested without socket, clock or runtime.
//! [`protocol`] has these values.
//!
//! Each file has one middleware, in the same order: what is checked of its options, the compiled form, the hooks, the
//! tests. A new one is a file here, a variant of [`Middleware`] and an arm in each of its functions. Everything that
//! can be decided from the options alone is decided in `compile`, so a hook only meets faults that the request has.

mod add_prefix;
mod basic_auth;
mod buffering;
mod circuit_breaker;
mod compress;
mod content_type;
mod digest_auth;
mod encoded_characters;
mod errors;
mod expression;
mod forward_auth;
mod headers;
mod in_flight_req;
mod ip_allow_list;
mod pass_tls_client_cert;
mod password;
pub mod protocol;
mod rate_limit;
mod redirect;
mod redirect_regex;
mod redirect_scheme;
mod replace_path;
mod replace_path_regex;
mod retry;
mod rewrite;
mod source;
mod statuses;
mod strip_prefix;
mod strip_prefix_regex;
mod template;
#[cfg(test)]
mod testing;
mod tls;
mod users;

use http::StatusCode;
use seaway_config::{Files, Middleware as Config, Name};
use seaway_head::{RequestHead, ResponseHead};

pub use add_prefix::AddPrefix;
pub use basic_auth::BasicAuth;
pub use buffering::Buffering;
pub use circuit_breaker::CircuitBreaker;
pub use compress::Compress;
pub use content_type::ContentType;
pub use digest_auth::DigestAuth;
pub use encoded_characters::EncodedCharacters;
pub use errors::Errors;
pub use forward_auth::ForwardAuth;
pub use headers::Headers;
pub use in_flight_req::InFlightReq;
pub use ip_allow_list::IpAllowList;
pub use pass_tls_client_cert::PassTlsClientCert;
pub use protocol::{Answer, Back, Came, Context, Flow, Got, Memory, Need, Outcome};
pub use rate_limit::RateLimit;
pub use redirect_regex::RedirectRegex;
pub use redirect_scheme::RedirectScheme;
pub use replace_path::ReplacePath;
pub use replace_path_regex::ReplacePathRegex;
pub use retry::Retry;
pub use strip_prefix::StripPrefix;
pub use strip_prefix_regex::StripPrefixRegex;

/// A compiled middleware.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "each is alone in an Arc")]
pub enum Middleware {
    /// Puts a prefix in front of the path.
    AddPrefix(AddPrefix),
    /// Cuts a prefix off the path.
    StripPrefix(StripPrefix),
    /// Replaces the path.
    ReplacePath(ReplacePath),
    /// Replaces the path by a regular expression.
    ReplacePathRegex(ReplacePathRegex),
    /// Sets and removes headers.
    Headers(Headers),
    /// Redirects to another scheme.
    RedirectScheme(RedirectScheme),
    /// Redirects by a regular expression over the URL.
    RedirectRegex(RedirectRegex),
    /// Cuts what a regular expression matches off the path.
    StripPrefixRegex(StripPrefixRegex),
    /// Lets in only who comes from certain addresses.
    IpAllowList(IpAllowList),
    /// The same under its former name.
    IpWhiteList(IpAllowList),
    /// Bounds how many requests of one source are served at the same time.
    InFlightReq(InFlightReq),
    /// Bounds how often requests of one source come.
    RateLimit(RateLimit),
    /// Lets in who knows a name and its password.
    BasicAuth(BasicAuth),
    /// The same, and the password does not go over the wire.
    DigestAuth(DigestAuth),
    /// Gives responses without a type the one that they look like.
    ContentType(ContentType),
    /// Refuses paths with certain percent-encoded characters.
    EncodedCharacters(EncodedCharacters),
    /// Tells the server about the client's certificate.
    PassTlsClientCert(PassTlsClientCert),
    /// Asks another server whether a request may pass.
    ForwardAuth(Box<ForwardAuth>),
    /// Compresses responses.
    Compress(Compress),
    /// Bounds bodies, and waits for all of a request before it is sent.
    Buffering(Buffering),
    /// Shows a service's pages in place of responses that say that something is wrong.
    Errors(Errors),
    /// Sends requests again that failed.
    Retry(Retry),
    /// Lets nothing through for a while after too much has failed.
    CircuitBreaker(CircuitBreaker),
}

impl Middleware {
    /// Compiles the options of one middleware. An error says which option is wrong and what it should be, to be shown
    /// to the person who wrote it. `chain` has no compiled form: `routing` puts its members in its place.
    /// `files` has the text of the files that options name.
    pub fn compile(config: &Config, files: &Files) -> Result<Self, String> {
        match config {
            Config::AddPrefix(options) => AddPrefix::compile(options).map(Self::AddPrefix),
            Config::StripPrefix(options) => StripPrefix::compile(options).map(Self::StripPrefix),
            Config::ReplacePath(options) => ReplacePath::compile(options).map(Self::ReplacePath),
            Config::ReplacePathRegex(options) => ReplacePathRegex::compile(options).map(Self::ReplacePathRegex),
            Config::Headers(options) => Headers::compile(options).map(Self::Headers),
            Config::RedirectScheme(options) => RedirectScheme::compile(options).map(Self::RedirectScheme),
            Config::RedirectRegex(options) => RedirectRegex::compile(options).map(Self::RedirectRegex),
            Config::StripPrefixRegex(options) => StripPrefixRegex::compile(options).map(Self::StripPrefixRegex),
            Config::IpAllowList(options) => IpAllowList::compile(options).map(Self::IpAllowList),
            Config::IpWhiteList(options) => IpAllowList::compile_white(options).map(Self::IpWhiteList),
            Config::InFlightReq(options) => InFlightReq::compile(options).map(Self::InFlightReq),
            Config::RateLimit(options) => RateLimit::compile(options, files).map(Self::RateLimit),
            Config::BasicAuth(options) => BasicAuth::compile(options, files).map(Self::BasicAuth),
            Config::DigestAuth(options) => DigestAuth::compile(options, files).map(Self::DigestAuth),
            Config::ContentType(options) => ContentType::compile(options).map(Self::ContentType),
            Config::EncodedCharacters(options) => EncodedCharacters::compile(options).map(Self::EncodedCharacters),
            Config::PassTlsClientCert(options) => PassTlsClientCert::compile(options).map(Self::PassTlsClientCert),
            Config::Buffering(options) => Buffering::compile(options).map(Self::Buffering),
            Config::Errors(options) => Errors::compile(options).map(Self::Errors),
            Config::Retry(options) => Retry::compile(options).map(Self::Retry),
            Config::CircuitBreaker(options) => CircuitBreaker::compile(options).map(Self::CircuitBreaker),
            Config::ForwardAuth(options) => {
                ForwardAuth::compile(options, files).map(|it| Self::ForwardAuth(Box::new(it)))
            }
            Config::Compress(options) => Compress::compile(options).map(Self::Compress),
            Config::Chain(_) => Err("a chain has no compiled form of its own".to_owned()),
            Config::Broken {} => Err("no usable type is declared".to_owned()),
        }
    }

    /// How it connects to a server by TLS, if it does: whoever has what TLS needs gives it a connector.
    pub fn tls(&self) -> Option<&protocol::Tls> {
        match self {
            Self::ForwardAuth(it) => it.tls(),
            Self::RateLimit(it) => it.tls(),
            _ => None,
        }
    }

    /// What one router uses in place of this: the same with a state of its own, taken over from what the router used
    /// `before` under the same name. `None` for what has no state, and is shared by all routers.
    pub fn for_router(&self, name: &str, before: Option<&Self>) -> Option<Self> {
        match (self, before) {
            (Self::InFlightReq(it), Some(Self::InFlightReq(before))) => {
                Some(Self::InFlightReq(it.for_router(Some(before))))
            }
            (Self::InFlightReq(it), _) => Some(Self::InFlightReq(it.for_router(None))),
            (Self::RateLimit(it), Some(Self::RateLimit(before))) => {
                Some(Self::RateLimit(it.for_router(name, Some(before))))
            }
            (Self::RateLimit(it), _) => Some(Self::RateLimit(it.for_router(name, None))),
            (Self::CircuitBreaker(it), Some(Self::CircuitBreaker(before))) => {
                Some(Self::CircuitBreaker(it.for_router(Some(before))))
            }
            (Self::CircuitBreaker(it), _) => Some(Self::CircuitBreaker(it.for_router(None))),
            _ => None,
        }
    }

    /// On the way in, in the order of the chain.
    pub fn on_request(&self, head: &mut RequestHead, cx: &mut Context<'_>) -> Flow {
        match self {
            Self::AddPrefix(it) => it.on_request(head),
            Self::StripPrefix(it) => it.on_request(head),
            Self::ReplacePath(it) => it.on_request(head),
            Self::ReplacePathRegex(it) => it.on_request(head),
            Self::Headers(it) => it.on_request(head, cx),
            Self::RedirectScheme(it) => it.on_request(head),
            Self::RedirectRegex(it) => it.on_request(head),
            Self::StripPrefixRegex(it) => it.on_request(head),
            Self::IpAllowList(it) | Self::IpWhiteList(it) => it.on_request(head),
            Self::InFlightReq(it) => it.on_request(head, cx),
            Self::RateLimit(it) => it.on_request(head, cx),
            Self::BasicAuth(it) => it.on_request(head, cx),
            Self::DigestAuth(it) => it.on_request(head, cx),
            Self::ContentType(_) => Flow::Next,
            Self::EncodedCharacters(it) => it.on_request(head),
            Self::PassTlsClientCert(it) => it.on_request(head),
            Self::ForwardAuth(it) => it.on_request(head, cx),
            Self::Compress(it) => it.on_request(head, cx),
            Self::Buffering(it) => it.on_request(head, cx),
            Self::Errors(it) => it.on_request(head, cx),
            Self::Retry(it) => it.on_request(head, cx),
            Self::CircuitBreaker(it) => it.on_request(cx),
        }
    }

    /// Goes on with the request, once what it needed is there.
    pub fn resume(&self, head: &mut RequestHead, cx: &mut Context<'_>, got: Got) -> Flow {
        match self {
            Self::BasicAuth(it) => it.resume(head, cx, &got),
            Self::DigestAuth(it) => it.resume(head, cx, &got),
            Self::RateLimit(it) => it.resume(head, cx, &got),
            Self::ForwardAuth(it) => it.resume(head, cx, got),
            Self::Buffering(it) => it.resume(&got),
            // Nobody asked: nothing is let through that a middleware has not decided about.
            _ => Flow::answer(Answer::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "a middleware was resumed that had asked nothing",
            )),
        }
    }

    /// On the way out, in the reverse order of the chain, for each middleware that let the request pass.
    pub fn on_response(&self, head: &mut ResponseHead<'_>, came: &Came, cx: &mut Context<'_>) -> Back {
        match self {
            Self::Headers(it) => it.on_response(head, cx.memory),
            Self::ContentType(it) => return it.on_response(head, came),
            Self::CircuitBreaker(it) => it.on_response(head, came, cx.memory),
            Self::ForwardAuth(it) => it.on_response(head, cx.memory),
            Self::Compress(it) => return it.on_response(head, came, cx.memory),
            Self::Buffering(it) => return it.on_response(head, came, cx),
            Self::Errors(it) => return it.on_response(head, came, cx),
            Self::Retry(it) => return it.on_response(head, came, cx),
            _ => {}
        }
        Back::Next
    }

    /// The hook on the way out may do something.
    pub fn sees_responses(&self) -> bool {
        match self {
            Self::Headers(it) => it.sees_responses(),
            Self::ContentType(_)
            | Self::CircuitBreaker(_)
            | Self::ForwardAuth(_)
            | Self::Compress(_)
            | Self::Buffering(_)
            | Self::Errors(_)
            | Self::Retry(_) => true,
            _ => false,
        }
    }

    /// What was asked for with [`Back::Peek`]: the beginning of the body, empty if there is none.
    pub fn on_beginning(&self, head: &mut ResponseHead<'_>, beginning: &[u8]) {
        if let Self::ContentType(it) = self {
            it.on_beginning(head, beginning);
        }
    }

    /// The hooks on the way out read [`Context::now`], or [`Self::on_end`] does something.
    pub fn settles(&self) -> bool {
        matches!(self, Self::InFlightReq(_) | Self::CircuitBreaker(_) | Self::Retry(_))
    }

    /// The service that has pages for it.
    pub fn pages(&self) -> Option<&Name> {
        match self {
            Self::Errors(it) => Some(it.service()),
            _ => None,
        }
    }

    /// The end, however it came: called exactly once for each time that the request was let pass.
    pub fn on_end(&self, memory: &mut Memory, outcome: &Outcome) {
        match self {
            Self::InFlightReq(it) => it.on_end(memory),
            Self::CircuitBreaker(it) => it.on_end(memory, outcome),
            _ => {}
        }
    }

    /// The type's name in lower case, the same word as [`Config::kind`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AddPrefix(_) => "addprefix",
            Self::StripPrefix(_) => "stripprefix",
            Self::ReplacePath(_) => "replacepath",
            Self::ReplacePathRegex(_) => "replacepathregex",
            Self::Headers(_) => "headers",
            Self::RedirectScheme(_) => "redirectscheme",
            Self::RedirectRegex(_) => "redirectregex",
            Self::StripPrefixRegex(_) => "stripprefixregex",
            Self::IpAllowList(_) => "ipallowlist",
            Self::IpWhiteList(_) => "ipwhitelist",
            Self::InFlightReq(_) => "inflightreq",
            Self::RateLimit(_) => "ratelimit",
            Self::BasicAuth(_) => "basicauth",
            Self::DigestAuth(_) => "digestauth",
            Self::ContentType(_) => "contenttype",
            Self::EncodedCharacters(_) => "encodedcharacters",
            Self::PassTlsClientCert(_) => "passtlsclientcert",
            Self::ForwardAuth(_) => "forwardauth",
            Self::Compress(_) => "compress",
            Self::Buffering(_) => "buffering",
            Self::Errors(_) => "errors",
            Self::Retry(_) => "retry",
            Self::CircuitBreaker(_) => "circuitbreaker",
        }
    }
}

/// 400: the request cannot be forwarded in the form that this middleware would give it.
pub(crate) fn refuse(reason: &'static str) -> Flow {
    Flow::answer(Answer::text(StatusCode::BAD_REQUEST, reason))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use seaway_config::{Secret, model};

    use super::*;

    #[test]
    fn what_is_no_middleware_of_its_own_does_not_compile() {
        let files = Files::default();
        assert!(Middleware::compile(&Config::Broken {}, &files).is_err());
        assert!(Middleware::compile(&Config::Chain(model::Chain::default()), &files).is_err());
    }

    #[test]
    fn kinds_are_the_words_of_the_configuration() {
        let text = |t: &str| t.to_owned();
        for config in [
            Config::AddPrefix(model::AddPrefix { prefix: text("/a") }),
            Config::StripPrefix(model::StripPrefix { prefixes: vec![text("/a")], force_slash: None }),
            Config::ReplacePath(model::ReplacePath { path: text("/a") }),
            Config::ReplacePathRegex(model::ReplacePathRegex { regex: text("a"), replacement: text("b") }),
            Config::Headers(model::Headers {
                custom_request_headers: [(text("X-A"), text("1"))].into(),
                ..Default::default()
            }),
            Config::RedirectScheme(model::RedirectScheme { scheme: text("https"), ..Default::default() }),
            Config::RedirectRegex(model::RedirectRegex { regex: text("a"), replacement: text("b"), permanent: false }),
            Config::StripPrefixRegex(model::StripPrefixRegex { regex: vec![text("a")] }),
            Config::IpAllowList(model::IpAllowList { source_range: vec![text("::1")], ..Default::default() }),
            Config::IpWhiteList(model::IpWhiteList { source_range: vec![text("::1")], ..Default::default() }),
            Config::InFlightReq(model::InFlightReq { amount: 1, ..Default::default() }),
            Config::RateLimit(model::RateLimit::default()),
            Config::BasicAuth(model::BasicAuth {
                users: vec![Secret::new("a:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")],
                ..Default::default()
            }),
            Config::DigestAuth(model::DigestAuth {
                users: vec![Secret::new("a:traefik:d63daa5fe0a90d38a38fae99f8a2c8da")],
                ..Default::default()
            }),
            Config::ContentType(model::ContentType::default()),
            Config::EncodedCharacters(model::EncodedCharacters::default()),
            Config::PassTlsClientCert(model::PassTlsClientCert::default()),
            Config::ForwardAuth(model::ForwardAuth { address: text("http://auth"), ..Default::default() }),
            Config::Compress(model::Compress::default()),
            Config::Buffering(model::Buffering::default()),
            Config::Errors(model::Errors {
                status: vec![text("404")],
                service: text("pages@docker"),
                ..Default::default()
            }),
            Config::Retry(model::Retry { attempts: 2, ..Default::default() }),
            Config::CircuitBreaker(model::CircuitBreaker {
                expression: text("NetworkErrorRatio() > 0.5"),
                ..Default::default()
            }),
        ] {
            assert_eq!(Middleware::compile(&config, &Files::default()).unwrap().kind(), config.kind());
        }
    }
}
