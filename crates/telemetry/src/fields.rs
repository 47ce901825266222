//! Which fields and headers of an exchange are written down.

use std::collections::BTreeMap;

use http::HeaderMap;
use seaway_config::statics::AccessLogFields;
use seaway_config::suggest::nearest;

/// What stands in place of a header that is redacted.
const REDACTED: &str = "REDACTED";

macro_rules! fields {
    ($($name:ident = $text:literal,)+) => {
        /// A field of the access log.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Field {
            $($name,)+
        }

        /// All of them with the names that people write.
        const FIELDS: &[(Field, &str)] = &[$((Field::$name, $text),)+];
    };
}

fields! {
    ClientAddr = "ClientAddr",
    ClientHost = "ClientHost",
    ClientPort = "ClientPort",
    ClientUsername = "ClientUsername",
    DownstreamContentSize = "DownstreamContentSize",
    DownstreamStatus = "DownstreamStatus",
    Duration = "Duration",
    EntryPointName = "entryPointName",
    Error = "Error",
    GzipRatio = "GzipRatio",
    Held = "Held",
    Lost = "Lost",
    OriginContentSize = "OriginContentSize",
    OriginDuration = "OriginDuration",
    OriginStatus = "OriginStatus",
    Overhead = "Overhead",
    RequestAddr = "RequestAddr",
    RequestContentSize = "RequestContentSize",
    RequestCount = "RequestCount",
    RequestHost = "RequestHost",
    RequestMethod = "RequestMethod",
    RequestPath = "RequestPath",
    RequestPort = "RequestPort",
    RequestProtocol = "RequestProtocol",
    RequestScheme = "RequestScheme",
    RetryAttempts = "RetryAttempts",
    RouterName = "RouterName",
    ServerName = "ServerName",
    ServiceAddr = "ServiceAddr",
    ServiceName = "ServiceName",
    ServiceUrl = "ServiceURL",
    StartLocal = "StartLocal",
    StartUtc = "StartUTC",
    Sticky = "Sticky",
    StickyReason = "StickyReason",
    Strategy = "Strategy",
}

/// Fields that Traefik has where it speaks TLS or traces, which there is nothing to tell of yet.
const TRAEFIKS: &[&str] = &["SpanId", "TLSCipher", "TLSClientSubject", "TLSVersion", "TraceId"];

/// What is written of each exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// A bit for each [`Field`].
    kept: u64,
    headers: Mode,
    /// By lower-case name.
    named: BTreeMap<Box<str>, Mode>,
    query: bool,
}

/// What becomes of a field or header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Keep,
    Drop,
    Redact,
}

/// The headers of one exchange that are written down.
#[derive(Clone, Debug, Default)]
pub struct KeptHeaders {
    request: Vec<Line>,
    origin: Vec<Line>,
    downstream: Vec<Line>,
}

/// A header as it is told: its name in the spelling of Go, its values joined.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: Box<str>,
    pub(crate) value: Box<str>,
}

impl Default for Fields {
    fn default() -> Self {
        Self { kept: u64::MAX, headers: Mode::Drop, named: BTreeMap::new(), query: true }
    }
}

impl Fields {
    /// Reads the options.
    ///
    /// # Errors
    /// Which option has a mode that there is not, or names a field that there is not: a header that was meant to be
    /// dropped must not be written because of a letter.
    pub fn new(options: &AccessLogFields) -> Result<Self, String> {
        let plain = &[("keep", Mode::Keep), ("drop", Mode::Drop)][..];
        let all = &[("keep", Mode::Keep), ("drop", Mode::Drop), ("redact", Mode::Redact)][..];
        let mut kept = match mode(&options.default_mode, plain, "defaultMode")? {
            Mode::Keep => u64::MAX,
            _ => 0,
        };
        for (name, text) in &options.names {
            let at = format!("names.{name}");
            let keeps = mode(text, plain, &at)? == Mode::Keep;
            let Some(bit) = bit_of(name) else {
                if TRAEFIKS.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                    continue;
                }
                let near = nearest(name, FIELDS.iter().map(|(_, known)| *known));
                let meant = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                return Err(format!("accessLog.fields.{at}: there is no field {name:?}{meant}"));
            };
            kept = if keeps { kept | bit } else { kept & !bit };
        }
        let headers = mode(&options.headers.default_mode, all, "headers.defaultMode")?;
        let mut named = BTreeMap::new();
        for (name, text) in &options.headers.names {
            let mode = mode(text, all, &format!("headers.names.{name}"))?;
            named.insert(name.to_ascii_lowercase().into(), mode);
        }
        let query = mode(&options.query_parameters.default_mode, plain, "queryParameters.defaultMode")? == Mode::Keep;
        Ok(Self { kept, headers, named, query })
    }

    /// Whether any header may be written: otherwise nobody has to keep them.
    pub fn keeps_headers(&self) -> bool {
        self.headers != Mode::Drop || self.named.values().any(|mode| *mode != Mode::Drop)
    }

    /// Every field is written.
    #[inline]
    pub(crate) fn keeps_all(&self) -> bool {
        self.kept == u64::MAX && self.query
    }

    pub(crate) fn keeps(&self, field: Field) -> bool {
        self.kept & (1 << field as u8) != 0
    }

    /// Path and query as they are written.
    pub(crate) fn path<'p>(&self, path_and_query: &'p str) -> &'p str {
        match self.query {
            true => path_and_query,
            false => path_and_query.split_once('?').map_or(path_and_query, |(path, _)| path),
        }
    }

    fn lines(&self, headers: &HeaderMap) -> Vec<Line> {
        let mut lines = Vec::new();
        for name in headers.keys() {
            let value = match self.named.get(name.as_str()).unwrap_or(&self.headers) {
                Mode::Drop => continue,
                Mode::Redact => REDACTED.to_owned(),
                Mode::Keep => {
                    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
                    values.collect::<Vec<_>>().join(",")
                }
            };
            lines.push(Line { name: canonical(name.as_str()).into(), value: value.into() });
        }
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        lines
    }
}

impl KeptHeaders {
    /// The request's, as its middlewares left them.
    pub fn request(&mut self, fields: &Fields, headers: &HeaderMap) {
        self.request = fields.lines(headers);
        // `Host` is no header to Traefik.
        self.request.retain(|line| *line.name != *"Host");
    }

    /// Those of the server's response.
    pub fn origin(&mut self, fields: &Fields, headers: &HeaderMap) {
        self.origin = fields.lines(headers);
    }

    /// Those that the client is sent.
    pub fn downstream(&mut self, fields: &Fields, headers: &HeaderMap) {
        self.downstream = fields.lines(headers);
    }

    /// These headers of a request, whatever is in them.
    #[cfg(test)]
    pub(crate) fn of(request: &[(&str, &str)]) -> Self {
        let line = |(name, value): &(&str, &str)| Line { name: (*name).into(), value: (*value).into() };
        Self { request: request.iter().map(line).collect(), ..Self::default() }
    }

    /// The headers, in the order in which they are told: the client's response, the server's, the request.
    pub(crate) fn groups(&self) -> (&[Line], &[Line], &[Line]) {
        (&self.downstream, &self.origin, &self.request)
    }

    /// A header of the request.
    pub(crate) fn requested(&self, name: &str) -> Option<&str> {
        self.request.iter().find(|line| *line.name == *name).map(|line| &*line.value)
    }
}

fn bit_of(name: &str) -> Option<u64> {
    let (field, _) = FIELDS.iter().find(|(_, known)| known.eq_ignore_ascii_case(name))?;
    Some(1 << *field as u8)
}

fn mode(text: &str, known: &[(&'static str, Mode)], at: &str) -> Result<Mode, String> {
    let found = known.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, mode)| *mode);
    found.ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        format!("accessLog.fields.{at}: {text:?} is none of {}", words.join(", "))
    })
}

/// `x-real-ip` as Go spells it: `X-Real-Ip`.
fn canonical(name: &str) -> String {
    let mut upper = true;
    let spell = |c: char| {
        let spelt = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '-';
        spelt
    };
    name.chars().map(spell).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn options(default: &str, names: &[(&str, &str)], headers: &str, named: &[(&str, &str)]) -> AccessLogFields {
        let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut options = AccessLogFields { default_mode: default.to_owned(), names: map(names), ..Default::default() };
        options.headers.default_mode = headers.to_owned();
        options.headers.names = map(named);
        options
    }

    #[test]
    fn fields_are_named_in_any_case() {
        let fields = Fields::new(&options("keep", &[("requestmethod", "drop")], "drop", &[])).unwrap();
        assert!(!fields.keeps(Field::RequestMethod) && fields.keeps(Field::RequestPath) && !fields.keeps_all());
        let fields = Fields::new(&options("drop", &[("SERVICEURL", "keep")], "drop", &[])).unwrap();
        assert!(fields.keeps(Field::ServiceUrl) && !fields.keeps(Field::Duration));
        assert!(Fields::new(&options("keep", &[("TLSVersion", "drop")], "drop", &[])).is_ok());
        assert_eq!(Fields::new(&AccessLogFields::default()).unwrap(), Fields::default());
    }

    #[test]
    fn typing_mistakes_keep_seaway_from_starting() {
        for (options, part) in [
            (options("kep", &[], "drop", &[]), "fields.defaultMode: \"kep\" is none of keep, drop"),
            (options("redact", &[], "drop", &[]), "is none of keep, drop"),
            (options("keep", &[("Duration", "x")], "drop", &[]), "fields.names.Duration"),
            (options("keep", &[("Durration", "drop")], "drop", &[]), "did you mean Duration?"),
            (options("keep", &[], "x", &[]), "headers.defaultMode: \"x\" is none of keep, drop, redact"),
            (options("keep", &[], "drop", &[("Authorization", "redakt")]), "headers.names.Authorization"),
        ] {
            let error = Fields::new(&options).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn headers_are_kept_dropped_and_redacted_by_name() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("x-real-ip", "1"), ("authorization", "Basic x"), ("x-a", "1"), ("x-a", "2"), ("host", "h")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        let told = |fields: &Fields| {
            let mut kept = KeptHeaders::default();
            kept.request(fields, &headers);
            kept.request.iter().map(|line| format!("{}={}", line.name, line.value)).collect::<Vec<_>>()
        };
        let keep =
            Fields::new(&options("keep", &[], "keep", &[("AUTHORIZATION", "redact"), ("X-Real-IP", "drop")])).unwrap();
        assert_eq!(told(&keep), ["Authorization=REDACTED", "X-A=1,2"]);
        let some = Fields::new(&options("keep", &[], "drop", &[("x-a", "keep")])).unwrap();
        assert_eq!((told(&some), some.keeps_headers()), (vec!["X-A=1,2".to_owned()], true));
        assert!(!Fields::default().keeps_headers());
        let none = Fields::new(&options("keep", &[], "drop", &[("x-a", "drop")])).unwrap();
        assert!(!none.keeps_headers());
    }

    #[test]
    fn a_dropped_query_leaves_the_path() {
        let mut options = AccessLogFields::default();
        options.query_parameters.default_mode = "drop".to_owned();
        let fields = Fields::new(&options).unwrap();
        assert_eq!((fields.path("/a?token=x?y"), fields.path("/a")), ("/a", "/a"));
        assert!(!fields.keeps_all());
        assert_eq!(Fields::default().path("/a?b"), "/a?b");
    }
}
