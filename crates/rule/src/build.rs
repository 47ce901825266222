//! From a call to a matcher: which matchers exist and what they take.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::ast::{HostPattern, Matcher};
use crate::error::{ParseError, quoted};
use crate::hint::{call_text, each, host_hint, listed, readable, suggestion, unknown, v3_host_regex};

/// A call as written.
pub(crate) struct Call<'t> {
    pub(crate) name: &'t str,
    pub(crate) at: usize,
    pub(crate) args: Vec<Argument>,
}

/// A string and where it starts.
pub(crate) struct Argument {
    pub(crate) text: String,
    pub(crate) at: usize,
}

/// The matchers that there are.
#[derive(Clone, Copy)]
pub(crate) enum Function {
    Host,
    HostRegexp,
    Path,
    PathPrefix,
    PathRegexp,
    Method,
    Header,
    HeaderRegexp,
    Query,
    QueryRegexp,
    ClientIp,
}

/// Each matcher with its documented name, what it takes, and an example.
pub(crate) const FUNCTIONS: [(Function, &str, &str, &str); 11] = [
    (Function::Host, "Host", "one string", "Host(`example.com`)"),
    (Function::HostRegexp, "HostRegexp", "one string", r"HostRegexp(`^[a-z]+\.example\.com$`)"),
    (Function::Path, "Path", "one string", "Path(`/login`)"),
    (Function::PathPrefix, "PathPrefix", "one string", "PathPrefix(`/api`)"),
    (Function::PathRegexp, "PathRegexp", "one string", r"PathRegexp(`\.(css|js)$`)"),
    (Function::Method, "Method", "one string", "Method(`GET`)"),
    (Function::Header, "Header", "two strings", "Header(`X-Tenant`, `blue`)"),
    (Function::HeaderRegexp, "HeaderRegexp", "two strings", "HeaderRegexp(`X-Tenant`, `^blue`)"),
    (Function::Query, "Query", "one or two strings", "Query(`lang`, `en`)"),
    (Function::QueryRegexp, "QueryRegexp", "one or two strings", "QueryRegexp(`lang`, `^en`)"),
    (Function::ClientIp, "ClientIP", "one string", "ClientIP(`10.0.0.0/8`)"),
];

/// The matcher that a call stands for.
pub(crate) fn build(call: &Call<'_>) -> Result<Matcher, ParseError> {
    let Some(&(function, name, takes, example)) = FUNCTIONS.iter().find(|(_, name, ..)| spelled(call.name, name))
    else {
        return Err(unknown(call));
    };
    let matcher = match (function, call.args.as_slice()) {
        (Function::Host, [host]) => Matcher::Host(host_pattern(host)?),
        (Function::HostRegexp, [regex]) => Matcher::HostRegexp(host_regex(regex)?),
        (Function::Path, [path]) => Matcher::Path(absolute(name, path)?),
        (Function::PathPrefix, [prefix]) => Matcher::PathPrefix(absolute(name, prefix)?),
        (Function::PathRegexp, [regex]) => Matcher::PathRegexp(text(name, regex)?),
        (Function::Method, [method]) => Matcher::Method(self::method(method)?),
        (Function::Header, [header, value]) => {
            Matcher::Header { name: header_name(name, header)?, value: text(name, value)? }
        }
        (Function::HeaderRegexp, [header, regex]) => {
            Matcher::HeaderRegexp { name: header_name(name, header)?, regex: text(name, regex)? }
        }
        (Function::Query, [key]) => Matcher::Query { key: text(name, key)?, value: None },
        (Function::Query, [key, value]) => Matcher::Query { key: text(name, key)?, value: Some(text(name, value)?) },
        (Function::QueryRegexp, [key]) => Matcher::QueryRegexp { key: text(name, key)?, regex: None },
        (Function::QueryRegexp, [key, regex]) => {
            Matcher::QueryRegexp { key: text(name, key)?, regex: Some(text(name, regex)?) }
        }
        (Function::ClientIp, [network]) => Matcher::ClientIp(self::network(network)?),
        (_, args) => {
            let message = format!("{name} takes {takes}, not {}", args.len());
            let hint = match args {
                [_, _, ..] if takes == "one string" => each(name, args),
                _ => None,
            };
            let hint = hint.map_or_else(|| format!("for example {example}"), |each| format!("write {each}"));
            return Err(ParseError::new(call.at, message).hint(hint));
        }
    };
    Ok(matcher)
}

/// Whether `name` is one of the spellings in use: as documented, all lower, all upper, only the first letter upper.
fn spelled(name: &str, documented: &str) -> bool {
    let (first, rest) = name.split_at_checked(1).unwrap_or((name, ""));
    name.eq_ignore_ascii_case(documented)
        && (name == documented
            || !name.contains(|c: char| c.is_ascii_uppercase())
            || !name.contains(|c: char| c.is_ascii_lowercase())
            || first == first.to_ascii_uppercase() && !rest.contains(|c: char| c.is_ascii_uppercase()))
}

/// Any text but none.
fn text(name: &str, arg: &Argument) -> Result<Box<str>, ParseError> {
    if arg.text.is_empty() {
        return Err(ParseError::new(arg.at, format!("{name} has an empty string")));
    }
    Ok(arg.text.as_str().into())
}

fn absolute(name: &str, arg: &Argument) -> Result<Box<str>, ParseError> {
    let path = text(name, arg)?;
    if path.starts_with('/') {
        return Ok(path);
    }
    let error = ParseError::new(arg.at, format!("the path {} does not start with a slash", quoted(&path)));
    Err(error.hint(format!("write {}", suggestion(name, &format!("/{path}")))))
}

fn method(arg: &Argument) -> Result<Box<str>, ParseError> {
    let method = text("Method", arg)?;
    if is_token(&method) {
        return Ok(method.to_ascii_uppercase().into());
    }
    Err(ParseError::new(arg.at, format!("{} is not a method", quoted(&method)))
        .hint(listed("Method", &method).unwrap_or_else(|| "for example Method(`GET`)".to_owned())))
}

fn header_name(name: &str, arg: &Argument) -> Result<Box<str>, ParseError> {
    let header = text(name, arg)?;
    if is_token(&header) {
        return Ok(header);
    }
    Err(ParseError::new(arg.at, format!("{} cannot be the name of a header", quoted(&header)))
        .hint(format!("the name comes first, then the value: {name}(`X-Tenant`, `blue`)")))
}

/// A token of RFC 9110 §5.6.2: what methods and header names are made of.
pub(crate) fn is_token(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn network(arg: &Argument) -> Result<IpNet, ParseError> {
    let text = text("ClientIP", arg)?;
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let net = net.ok_or_else(|| {
        ParseError::new(arg.at, format!("{} is neither an address nor a network", quoted(&text)))
            .hint("for example ClientIP(`10.0.0.0/8`) or ClientIP(`192.168.1.7`)")
    })?;
    Ok(unmapped(net).unwrap_or(net).trunc())
}

/// `::ffff:10.0.0.1/128` as the IPv4 network that it means: peers' addresses are compared in that form.
fn unmapped(net: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = net else { return None };
    let prefix = v6.prefix_len().checked_sub(96)?;
    IpNet::new(v6.addr().to_ipv4_mapped()?.into(), prefix).ok()
}

fn host_regex(arg: &Argument) -> Result<Box<str>, ParseError> {
    let regex = text("HostRegexp", arg)?;
    if !regex.is_ascii() {
        return Err(ParseError::new(arg.at, format!("{} is not ASCII", quoted(&regex)))
            .hint("write international names in punycode: xn--…"));
    }
    if let Some(v3) = v3_host_regex(&regex) {
        let write = readable(call_text("HostRegexp", &[&v3]));
        let write = write.unwrap_or_else(|| r"HostRegexp(`^[a-z]+\.example\.com$`)".to_owned());
        let message = format!("{} is written in the old rule syntax (v2), which is not supported", quoted(&regex));
        return Err(ParseError::new(arg.at, message).hint(format!("write {write}")));
    }
    Ok(regex)
}

fn host_pattern(arg: &Argument) -> Result<HostPattern, ParseError> {
    let given = text("Host", arg)?;
    let error = |message: String| ParseError::new(arg.at, message);
    if &*given == "*" {
        return Ok(HostPattern::Any);
    }
    if !given.is_ascii() {
        return Err(error(format!("the host {} is not ASCII", quoted(&given)))
            .hint("write international names in punycode: xn--…"));
    }
    let host = given.to_ascii_lowercase();
    let unbracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&host);
    if unbracketed.parse::<Ipv6Addr>().is_ok() {
        return Ok(HostPattern::Exact(unbracketed.into()));
    }
    let host = host.strip_suffix('.').unwrap_or(&host);
    let (wildcard, name) = match host.strip_prefix("*.") {
        Some(parent) => (true, parent),
        None => (false, host),
    };
    if name.contains('*') {
        return Err(error(format!("in the host {} the star is not the whole first label", quoted(&given)))
            .hint("write Host(`*.example.com`), or use HostRegexp"));
    }
    if let Some(bad) = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_')) {
        let what = error(format!("the host {} has the character {}", quoted(&given), quoted(&bad.to_string())));
        return Err(what.hint(host_hint(&given)));
    }
    if name.split('.').any(str::is_empty) {
        return Err(error(format!("the host {} has an empty label", quoted(&given)))
            .hint("a host looks like this: example.com"));
    }
    Ok(if wildcard { HostPattern::Wildcard(name.into()) } else { HostPattern::Exact(name.into()) })
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use crate::{Expr, HostPattern, Matcher, parse};

    fn matcher(rule: &str) -> Matcher {
        match parse(rule).expect(rule) {
            Expr::Matcher(matcher) => matcher,
            other => panic!("{rule}: {other:?}"),
        }
    }

    /// The message and the hint for a rule that does not parse.
    fn error(rule: &str) -> (String, String) {
        let error = parse(rule).expect_err(rule);
        (error.to_string(), error.hint.unwrap_or_default())
    }

    #[test]
    fn every_matcher_takes_what_is_documented() {
        let exact = |host: &str| Matcher::Host(HostPattern::Exact(host.into()));
        for (rule, expected) in [
            ("Host(`Example.COM`)", exact("example.com")),
            ("Host(`example.com.`)", exact("example.com")),
            ("Host(`my_app-1.t.wtf`)", exact("my_app-1.t.wtf")),
            ("Host(`xn--mnchen-3ya.de`)", exact("xn--mnchen-3ya.de")),
            ("Host(`192.0.2.7`)", exact("192.0.2.7")),
            ("Host(`[2001:DB8::1]`)", exact("2001:db8::1")),
            ("Host(`2001:db8::1`)", exact("2001:db8::1")),
            ("Host(`*.Example.com`)", Matcher::Host(HostPattern::Wildcard("example.com".into()))),
            ("Host(`*`)", Matcher::Host(HostPattern::Any)),
            ("HostRegexp(`^[A-Z]{1,3}\\.a$`)", Matcher::HostRegexp("^[A-Z]{1,3}\\.a$".into())),
            ("Path(`/a b`)", Matcher::Path("/a b".into())),
            ("Path(`/ä/{id}`)", Matcher::Path("/ä/{id}".into())),
            ("PathPrefix(`/`)", Matcher::PathPrefix("/".into())),
            ("PathRegexp(`a|b`)", Matcher::PathRegexp("a|b".into())),
            ("Method(`get`)", Matcher::Method("GET".into())),
            ("Method(`M-Search`)", Matcher::Method("M-SEARCH".into())),
            ("Header(`x-Y`, ` v `)", Matcher::Header { name: "x-Y".into(), value: " v ".into() }),
            ("HeaderRegexp(`x`, `.*`)", Matcher::HeaderRegexp { name: "x".into(), regex: ".*".into() }),
            ("Query(`k`)", Matcher::Query { key: "k".into(), value: None }),
            ("Query(`k`, `v`)", Matcher::Query { key: "k".into(), value: Some("v".into()) }),
            ("QueryRegexp(`k`)", Matcher::QueryRegexp { key: "k".into(), regex: None }),
            ("QueryRegexp(`k`, `v`)", Matcher::QueryRegexp { key: "k".into(), regex: Some("v".into()) }),
        ] {
            assert_eq!(matcher(rule), expected, "{rule}");
        }
    }

    #[test]
    fn client_addresses_become_networks() {
        for (text, expected) in [
            ("10.0.0.1", "10.0.0.1/32"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::1", "::1/128"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.1/104", "10.0.0.0/8"),
            ("::/0", "::/0"),
        ] {
            let expected = Matcher::ClientIp(expected.parse().expect(expected));
            assert_eq!(matcher(&format!("ClientIP(`{text}`)")), expected, "{text}");
        }
        for text in [
            "10.0.0",
            "10.0.0.0/33",
            "10.0.0.0/",
            "010.0.0.1",
            "::1/129",
            "localhost",
            "10.0.0.1,10.0.0.2",
            "fe80::1%eth0",
        ] {
            let (message, _) = error(&format!("ClientIP(`{text}`)"));
            assert_eq!(message, format!("`{text}` is neither an address nor a network at column 10"));
        }
    }

    #[test]
    fn four_spellings_are_understood_and_no_other() {
        for rule in ["PathPrefix(`/`)", "pathprefix(`/`)", "PATHPREFIX(`/`)", "Pathprefix(`/`)"] {
            assert_eq!(matcher(rule), Matcher::PathPrefix("/".into()), "{rule}");
        }
        for rule in ["ClientIP(`::1`)", "clientip(`::1`)", "CLIENTIP(`::1`)", "Clientip(`::1`)"] {
            assert_eq!(matcher(rule).name(), "ClientIP", "{rule}");
        }
        for name in ["pathPrefix", "PathPREFIX", "pATHPREFIX", "PAthPrefix"] {
            let (message, hint) = error(&format!("{name}(`/`)"));
            assert_eq!(message, format!("`{name}` is not a matcher at column 1"));
            assert_eq!(hint, "write PathPrefix; only PathPrefix, pathprefix and PATHPREFIX are understood");
        }
    }

    #[test]
    fn faults_and_how_to_mend_them() {
        for (rule, message, hint) in [
            // Names
            ("hOst(\"a\")", "`hOst` is not a matcher", "write Host; only Host, host and HOST are understood"),
            ("Hots(`a`)", "`Hots` is not a matcher", "did you mean Host?"),
            ("PathPrefx(`/a`)", "`PathPrefx` is not a matcher", "did you mean PathPrefix?"),
            ("HeaderRegex(`a`, `b`)", "`HeaderRegex` is not a matcher", "did you mean HeaderRegexp?"),
            ("ClientIPs(`::1`)", "`ClientIPs` is not a matcher", "did you mean ClientIP?"),
            (
                "Foobar(`a`)",
                "`Foobar` is not a matcher",
                "the matchers are Host, HostRegexp, Path, PathPrefix, PathRegexp, Method, Header, HeaderRegexp, Query, QueryRegexp, ClientIP",
            ),
            ("HostSNI(`*`)", "`HostSNI` is for TCP routers, not for HTTP routers", "write Host(`example.com`)"),
            // The old syntax
            ("Host(`a.b`, `c.d`)", "Host takes one string, not 2", "write Host(`a.b`) || Host(`c.d`)"),
            ("Path(`/a`, `/b`, `/c`)", "Path takes one string, not 3", "write Path(`/a`) || Path(`/b`) || Path(`/c`)"),
            (
                "HostRegexp(`{s:[a-z]+}.a`, `^b$`)",
                "HostRegexp takes one string, not 2",
                "write HostRegexp(`^[a-z]+\\.a$`) || HostRegexp(`^b$`)",
            ),
            (
                "HostHeader(`a`, `b`)",
                "`HostHeader` belongs to the old rule syntax (v2), which is not supported",
                "its name is Host now: write Host(`a`) || Host(`b`)",
            ),
            (
                "Headers(`X-A`, `b`)",
                "`Headers` belongs to the old rule syntax (v2), which is not supported",
                "its name is Header now: write Header(`X-A`, `b`)",
            ),
            (
                "HeadersRegexp(`X-A`, `b+`)",
                "`HeadersRegexp` belongs to the old rule syntax (v2), which is not supported",
                "its name is HeaderRegexp now: write HeaderRegexp(`X-A`, `b+`)",
            ),
            // Number of strings
            ("Host()", "Host takes one string, not 0", "for example Host(`example.com`)"),
            ("Header(`X-A`)", "Header takes two strings, not 1", "for example Header(`X-Tenant`, `blue`)"),
            ("Header(`a`, `b`, `c`)", "Header takes two strings, not 3", "for example Header(`X-Tenant`, `blue`)"),
            ("Query(`a`, `b`, `c`)", "Query takes one or two strings, not 3", "for example Query(`lang`, `en`)"),
        ] {
            assert_eq!(error(rule), (format!("{message} at column 1"), hint.to_owned()), "{rule}");
        }
    }

    #[test]
    fn every_empty_string_is_an_error() {
        for (rule, column) in [
            ("Host(``)", 6),
            ("HostRegexp(``)", 12),
            ("Path(``)", 6),
            ("PathPrefix(``)", 12),
            ("PathRegexp(``)", 12),
            ("Method(\"\")", 8),
            ("Header(``, `v`)", 8),
            ("Header(`k`, ``)", 13),
            ("HeaderRegexp(`k`, ``)", 19),
            ("Query(``)", 7),
            ("Query(\"q\", \"\")", 12),
            ("QueryRegexp(`q`, ``)", 18),
            ("ClientIP(``)", 10),
        ] {
            let (message, _) = error(rule);
            let name = rule.split('(').next().unwrap_or_default();
            assert_eq!(message, format!("{name} has an empty string at column {column}"), "{rule}");
        }
    }

    #[test]
    fn arguments_that_can_never_match() {
        for (rule, message, hint) in [
            ("Path(`a`)", "the path `a` does not start with a slash", "write Path(`/a`)"),
            ("PathPrefix(`a`)", "the path `a` does not start with a slash", "write PathPrefix(`/a`)"),
            ("Method(`GET,POST`)", "`GET,POST` is not a method", "write Method(`GET`) || Method(`POST`)"),
            (
                "Header(`X A`, `b`)",
                "`X A` cannot be the name of a header",
                "the name comes first, then the value: Header(`X-Tenant`, `blue`)",
            ),
            (
                "Host(`münchen.de`)",
                "the host `münchen.de` is not ASCII",
                "write international names in punycode: xn--…",
            ),
            (
                "HostRegexp(`{sub:[a-z]+}.example.com`)",
                "`{sub:[a-z]+}.example.com` is written in the old rule syntax (v2), which is not supported",
                "write HostRegexp(`^[a-z]+\\.example\\.com$`)",
            ),
            (
                "HostRegexp(`a-{n:x|y{2}}.b`)",
                "`a-{n:x|y{2}}.b` is written in the old rule syntax (v2), which is not supported",
                "write HostRegexp(`^a-(?:x|y{2})\\.b$`)",
            ),
            ("HostRegexp(`ü`)", "`ü` is not ASCII", "write international names in punycode: xn--…"),
            (
                "Host(`a.com:8080`)",
                "the host `a.com:8080` has the character `:`",
                "the port is the entry point's matter: write Host(`a.com`)",
            ),
            ("Host(`https://a.com`)", "the host `https://a.com` has the character `:`", "write Host(`a.com`)"),
            (
                "Host(`https://a.com:1/x/y`)",
                "the host `https://a.com:1/x/y` has the character `:`",
                "write Host(`a.com`) && PathPrefix(`/x/y`)",
            ),
            ("Host(`a.com/`)", "the host `a.com/` has the character `/`", "write Host(`a.com`)"),
            (
                "Host(`a.com,b.com`)",
                "the host `a.com,b.com` has the character `,`",
                "write Host(`a.com`) || Host(`b.com`)",
            ),
            ("Host(` a.com`)", "the host ` a.com` has the character ` `", "take the blank out"),
            (
                "Host(`{{ .Name }}`)",
                "the host `{{ .Name }}` has the character `{`",
                "for a regular expression use HostRegexp",
            ),
            (
                "Host(`a@b`)",
                "the host `a@b` has the character `@`",
                "a host has letters, digits, dots, hyphens and underscores only",
            ),
            (
                "Host(`a*.b`)",
                "in the host `a*.b` the star is not the whole first label",
                "write Host(`*.example.com`), or use HostRegexp",
            ),
            (
                "Host(`*.*.b`)",
                "in the host `*.*.b` the star is not the whole first label",
                "write Host(`*.example.com`), or use HostRegexp",
            ),
            (
                "Host(`a.*`)",
                "in the host `a.*` the star is not the whole first label",
                "write Host(`*.example.com`), or use HostRegexp",
            ),
            (
                "Host(`*.`)",
                "in the host `*.` the star is not the whole first label",
                "write Host(`*.example.com`), or use HostRegexp",
            ),
            ("Host(`a..b`)", "the host `a..b` has an empty label", "a host looks like this: example.com"),
            ("Host(`.a`)", "the host `.a` has an empty label", "a host looks like this: example.com"),
            ("Host(`a..`)", "the host `a..` has an empty label", "a host looks like this: example.com"),
            ("Host(`.`)", "the host `.` has an empty label", "a host looks like this: example.com"),
            ("Host(`*..`)", "the host `*..` has an empty label", "a host looks like this: example.com"),
        ] {
            let column = rule.find('`').unwrap_or_default() + 1;
            assert_eq!(error(rule), (format!("{message} at column {column}"), hint.to_owned()), "{rule}");
        }
    }

    #[test]
    fn braces_of_todays_syntax_are_left_alone() {
        for regex in [r"^[a-z]{2}\.a$", r"\p{Greek}", r"(?P<n>a)", r"a{2,}", "{2:a}", "{a}", "{a:b", r"\x{41}"] {
            assert_eq!(matcher(&format!("HostRegexp(`{regex}`)")), Matcher::HostRegexp(regex.into()));
        }
        for literal in ["/{{ .Name }}", "/$1", "/${HOME}", "/{id:[0-9]+}", "/%2F"] {
            assert_eq!(matcher(&format!("Path(`{literal}`)")), Matcher::Path(literal.into()));
        }
    }

    #[test]
    fn messages_and_hints_stay_short_and_clean() {
        let long = "a\u{1b}\n".repeat(5000);
        for rule in [
            format!("Host(`{long}`)"),
            format!("Path(`{long}`)"),
            format!("Method(`{long}`)"),
            format!("ClientIP(`{long}`)"),
            format!("HostRegexp(`{{a:{long}}}`)"),
            format!("Headers(`{long}`)"),
            format!("Header(`{long}`, `x`)"),
            format!("Host({})", vec!["`a.b`"; 9000].join(",")),
            format!("HostHeader({})", vec!["`\u{7f}`"; 9000].join(",")),
            format!("{}(`a`)", "x".repeat(60_000)),
        ] {
            let (message, hint) = error(&rule);
            assert!(message.len() < 400 && hint.len() < 400, "{message} {hint}");
            assert!(!message.contains(char::is_control) && !hint.contains(char::is_control), "{message:?} {hint:?}");
        }
    }
}
