//! Middlewares as configured. Their options are in a file for each kind of work.

mod access;
mod around;
mod headers;
mod path;

use serde::Serialize;

use crate::decode::options;

pub use access::*;
pub use around::*;
pub use headers::*;
pub use path::*;

/// Lists the types once: the options under a middleware's name, the type that reaches `compile`, and its words.
///
/// A line is `Type, field, "documentedName", "word of the API", "one line";`.
macro_rules! types {
    ($($type:ident, $field:ident, $name:literal, $kind:literal, $doc:literal;)+) => {
        options! {
            /// A middleware as configured: `http.middlewares.<name>`. Exactly one type may be set.
            section struct MiddlewareOptions {
                $($field: Option<$type> = None, $name, "", $doc;)+
            }
        }

        /// A middleware of exactly one type, as it reaches `compile`.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub enum Middleware {
            $(
                #[doc = $doc]
                #[serde(rename = $name)]
                $type($type),
            )+
            /// Nothing usable was declared. Always quarantined, kept so that it has a name, a place and a reason.
            Broken {},
        }

        impl Middleware {
            /// The type's name in lower case, as Traefik's API gives it.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$type(_) => $kind,)+
                    Self::Broken {} => "",
                }
            }
        }

        impl MiddlewareOptions {
            /// The types that are set; the caller quarantines unless there is exactly one.
            pub fn types(self) -> Vec<Middleware> {
                let mut types = Vec::new();
                $(types.extend(self.$field.map(Middleware::$type));)+
                types
            }
        }

        /// One of each type, with its defaults.
        #[cfg(test)]
        fn one_of_each() -> MiddlewareOptions {
            MiddlewareOptions { $($field: Some($type::default()),)+ }
        }
    };
}

types! {
    AddPrefix, add_prefix, "addPrefix", "addprefix", "Puts a prefix in front of the path.";
    StripPrefix, strip_prefix, "stripPrefix", "stripprefix", "Cuts a prefix off the path.";
    StripPrefixRegex, strip_prefix_regex, "stripPrefixRegex", "stripprefixregex", "Cuts what a regular expression matches off the path.";
    ReplacePath, replace_path, "replacePath", "replacepath", "Replaces the path.";
    ReplacePathRegex, replace_path_regex, "replacePathRegex", "replacepathregex", "Replaces the path by a regular expression.";
    Headers, headers, "headers", "headers", "Sets and removes request and response headers.";
    RedirectScheme, redirect_scheme, "redirectScheme", "redirectscheme", "Redirects to another scheme.";
    RedirectRegex, redirect_regex, "redirectRegex", "redirectregex", "Redirects by a regular expression over the URL.";
    IpAllowList, ip_allow_list, "ipAllowList", "ipallowlist", "Lets in only who comes from certain addresses.";
    IpWhiteList, ip_white_list, "ipWhiteList", "ipwhitelist", "Deprecated: the former name of ipAllowList.";
    InFlightReq, in_flight_req, "inFlightReq", "inflightreq", "Bounds how many requests of one source are served at the same time.";
    RateLimit, rate_limit, "rateLimit", "ratelimit", "Bounds how often requests of one source come.";
    BasicAuth, basic_auth, "basicAuth", "basicauth", "Lets in who knows a name and its password.";
    DigestAuth, digest_auth, "digestAuth", "digestauth", "Lets in who knows a name and its password, which does not go over the wire.";
    ContentType, content_type, "contentType", "contenttype", "Gives responses without a type the one that they look like.";
    EncodedCharacters, encoded_characters, "encodedCharacters", "encodedcharacters", "Refuses paths with certain percent-encoded characters.";
    PassTlsClientCert, pass_tls_client_cert, "passTLSClientCert", "passtlsclientcert", "Tells the server about the client's certificate.";
    ForwardAuth, forward_auth, "forwardAuth", "forwardauth", "Asks another server whether a request may pass.";
    Buffering, buffering, "buffering", "buffering", "Bounds bodies, and waits for all of a request before it is sent.";
    Errors, errors, "errors", "errors", "Shows a service's pages in place of responses that say that something is wrong.";
    Retry, retry, "retry", "retry", "Sends requests again that failed.";
    CircuitBreaker, circuit_breaker, "circuitBreaker", "circuitbreaker", "Lets nothing through for a while after too much has failed.";
    Compress, compress, "compress", "compress", "Compresses responses.";
    Chain, chain, "chain", "chain", "Several middlewares under one name.";
}

impl Middleware {
    /// The paths of the files that it names.
    pub fn files(&self) -> Vec<&str> {
        fn tls(tls: Option<&AuthTls>) -> Vec<&str> {
            tls.map_or_else(Vec::new, AuthTls::files)
        }
        let all = match self {
            Self::BasicAuth(options) => vec![options.users_file.trim()],
            Self::DigestAuth(options) => vec![options.users_file.trim()],
            Self::ForwardAuth(options) => tls(options.tls.as_ref()),
            Self::RateLimit(RateLimit { redis: Some(redis), .. }) => tls(redis.tls.as_ref()),
            _ => Vec::new(),
        };
        all.into_iter().filter(|path| !path.is_empty()).collect()
    }
}

impl AuthTls {
    /// The values that are paths of files, and not texts themselves.
    fn files(&self) -> Vec<&str> {
        let all = [&*self.ca, &*self.cert, self.key.expose()];
        all.into_iter().map(str::trim).filter(|value| !value.contains("-----BEGIN")).collect()
    }
}

options! {
    /// `chain`.
    section struct Chain {
        middlewares: Vec<String> = Vec::new(), "middlewares", "", "The middlewares, in order.";
    }
}

/// Options that Traefik has and that do not work yet, as paths below `http.`: recognised, answered with SW0108 and
/// never taken for a typo. `*` stands for a name.
pub const NOT_YET: &[&str] = &["middlewares.*.grpcWeb", "middlewares.*.plugin"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middleware_types_are_counted() {
        assert_eq!(MiddlewareOptions::default().types(), []);
        let options = MiddlewareOptions {
            chain: Some(Chain::default()),
            add_prefix: Some(AddPrefix { prefix: "/x".to_owned() }),
            ..MiddlewareOptions::default()
        };
        let types = options.types();
        assert_eq!(
            types,
            [Middleware::AddPrefix(AddPrefix { prefix: "/x".to_owned() }), Middleware::Chain(Chain::default())]
        );
        assert_eq!(types.iter().map(Middleware::kind).collect::<Vec<_>>(), ["addprefix", "chain"]);
    }

    #[test]
    fn every_middleware_option_becomes_a_middleware() {
        let kinds: Vec<_> = one_of_each().types().iter().map(Middleware::kind).collect();
        let names: Vec<_> = <MiddlewareOptions as crate::catalogue::Section>::OPTIONS
            .iter()
            .map(|o| o.name.to_ascii_lowercase())
            .collect();
        assert_eq!(kinds, names);
    }
}
