//! Whole lines, byte for byte.

use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use super::Format;
use crate::{Fields, KeptHeaders, Record};

/// 2026-03-01 12:04:11.482 UTC.
const START: Duration = Duration::from_millis(1_772_366_651_482);

fn full() -> Record<'static> {
    Record {
        start: UNIX_EPOCH + START,
        duration: Duration::from_micros(3_149),
        status: 200,
        method: "GET",
        host: "app.localhost",
        path_and_query: "/login",
        protocol: "HTTP/1.1",
        scheme: "http",
        client_host: "172.20.0.1",
        client_port: 40_112,
        entry_point: "web",
        router: Some("web@docker"),
        service: Some("web@docker"),
        server_name: Some("web-3"),
        server_url: Some("http://172.20.0.5:80"),
        server_address: Some("172.20.0.5:80"),
        request_bytes: 0,
        response_bytes: 512,
        origin_status: Some(200),
        origin_duration: Duration::from_micros(2_149),
        attempts: 1,
        sticky: "new",
        strategy: "wrr",
        request_count: 42,
        ..Record::default()
    }
}

fn unrouted() -> Record<'static> {
    Record {
        start: UNIX_EPOCH + START,
        duration: Duration::from_micros(90),
        status: 404,
        method: "POST",
        host: "other.localhost:8080",
        path_and_query: "/x?a=1&b=2",
        protocol: "HTTP/1.0",
        scheme: "http",
        client_host: "::1",
        client_port: 5,
        entry_point: "web",
        response_bytes: 19,
        error: Some("no_route"),
        request_count: 43,
        ..Record::default()
    }
}

const EVIL: &str = "x\" 200\r\n\u{1b}[2J\u{85}\\";

fn hostile() -> Record<'static> {
    static HEADERS: LazyLock<KeptHeaders> =
        LazyLock::new(|| KeptHeaders::of(&[("Referer", EVIL), ("User-Agent", EVIL)]));
    Record {
        method: EVIL,
        host: EVIL,
        path_and_query: EVIL,
        protocol: EVIL,
        scheme: EVIL,
        client_host: EVIL,
        forwarded_for: Some(EVIL),
        user: Some(EVIL),
        headers: Some(&HEADERS),
        entry_point: EVIL,
        router: Some(EVIL),
        service: Some(EVIL),
        server_name: Some(EVIL),
        server_url: Some(EVIL),
        server_address: Some(EVIL),
        ..full()
    }
}

fn line(format: Format, record: &Record<'_>) -> String {
    let mut out = Vec::new();
    format.write(record, &Fields::default(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

#[test]
fn common() {
    assert_eq!(
        line(Format::Common, &full()),
        "172.20.0.1 - - [01/Mar/2026:12:04:11 +0000] \"GET /login HTTP/1.1\" 200 512 \"-\" \"-\" 42 \"web@docker\" \
         \"http://172.20.0.5:80\" 3ms\n"
    );
    assert_eq!(
        line(Format::Common, &unrouted()),
        "::1 - - [01/Mar/2026:12:04:11 +0000] \"POST /x?a=1&b=2 HTTP/1.0\" 404 19 \"-\" \"-\" 43 \"-\" \"-\" 0ms\n"
    );
}

#[test]
fn generic_clf() {
    let headers = KeptHeaders::of(&[("Referer", "http://a/\"b\""), ("User-Agent", "curl/8")]);
    let record = Record {
        forwarded_for: Some("203.0.113.9, 198.51.100.2"),
        user: Some("ada"),
        headers: Some(&headers),
        status: 0,
        ..full()
    };
    assert_eq!(
        line(Format::GenericClf, &record),
        "203.0.113.9, 198.51.100.2 - ada [01/Mar/2026:12:04:11 +0000] \"GET /login HTTP/1.1\" - 512 \
         \"http://a/\\\"b\\\"\" \"curl/8\"\n"
    );
}

#[test]
fn json() {
    assert_eq!(
        line(Format::Json, &full()),
        concat!(
            r#"{"ClientAddr":"172.20.0.1:40112","ClientHost":"172.20.0.1","ClientPort":"40112","ClientUsername":"-","#,
            r#""DownstreamContentSize":512,"DownstreamStatus":200,"Duration":3149000,"OriginContentSize":512,"#,
            r#""OriginDuration":2149000,"OriginStatus":200,"Overhead":1000000,"RequestAddr":"app.localhost","#,
            r#""RequestContentSize":0,"RequestCount":42,"RequestHost":"app.localhost","RequestMethod":"GET","#,
            r#""RequestPath":"/login","RequestPort":"-","RequestProtocol":"HTTP/1.1","RequestScheme":"http","#,
            r#""RetryAttempts":0,"RouterName":"web@docker","ServerName":"web-3","ServiceAddr":"172.20.0.5:80","#,
            r#""ServiceName":"web@docker","ServiceURL":"http://172.20.0.5:80","#,
            r#""StartLocal":"2026-03-01T12:04:11.482Z","StartUTC":"2026-03-01T12:04:11.482Z","Sticky":"new","#,
            r#""Strategy":"wrr","entryPointName":"web","level":"info","msg":"","time":"2026-03-01T12:04:11Z"}"#,
            "\n"
        )
    );
    assert_eq!(
        line(Format::Json, &unrouted()),
        concat!(
            r#"{"ClientAddr":"[::1]:5","ClientHost":"::1","ClientPort":"5","ClientUsername":"-","#,
            r#""DownstreamContentSize":19,"DownstreamStatus":404,"Duration":90000,"Error":"no_route","#,
            r#""GzipRatio":0,"OriginContentSize":0,"OriginDuration":0,"OriginStatus":0,"Overhead":90000,"#,
            r#""RequestAddr":"other.localhost:8080","RequestContentSize":0,"RequestCount":43,"#,
            r#""RequestHost":"other.localhost","RequestMethod":"POST","RequestPath":"/x?a=1\u0026b=2","#,
            r#""RequestPort":"8080","RequestProtocol":"HTTP/1.0","RequestScheme":"http","RetryAttempts":0,"#,
            r#""StartLocal":"2026-03-01T12:04:11.482Z","StartUTC":"2026-03-01T12:04:11.482Z","Sticky":"none","#,
            r#""entryPointName":"web","level":"info","msg":"","time":"2026-03-01T12:04:11Z"}"#,
            "\n"
        )
    );
    let headers = KeptHeaders::of(&[("User-Agent", "curl")]);
    let troubled = Record {
        attempts: 3,
        held: Duration::from_millis(1_200),
        sticky: "moved",
        sticky_reason: Some("draining"),
        error: Some("upstream_closed"),
        lost: true,
        headers: Some(&headers),
        ..full()
    };
    let line = line(Format::Json, &troubled);
    for part in [
        r#","Error":"upstream_closed","Held":1200000000,"Lost":true,"#,
        r#","RetryAttempts":2,"#,
        r#","Sticky":"moved","StickyReason":"draining","Strategy":"wrr","#,
        r#","msg":"","request_User-Agent":"curl","time":"#,
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
}

#[test]
fn json_members_are_in_the_order_of_their_names() {
    let headers = KeptHeaders::of(&[("Referer", "r"), ("User-Agent", "u")]);
    let record = Record {
        attempts: 2,
        held: Duration::from_secs(1),
        sticky_reason: Some("down"),
        error: Some("x"),
        lost: true,
        headers: Some(&headers),
        origin_bytes: Some(5),
        ..full()
    };
    let line = line(Format::Json, &record);
    let names: Vec<&str> = line.split(['{', ',']).filter_map(|m| m.split("\":").next()?.strip_prefix('"')).collect();
    assert_eq!(names.len(), 41);
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn seaway() {
    let plain = |record: &Record<'_>| line(Format::Seaway { colour: false }, record);
    assert_eq!(
        plain(&full()),
        "12:04:11.482 200 GET app.localhost/login → web-3 172.20.0.5:80 3.1ms router=web@docker lb=wrr sticky=new\n"
    );
    assert_eq!(plain(&unrouted()), "12:04:11.482 404 POST other.localhost:8080/x?a=1&b=2 → - 90µs error=no_route\n");
    let moved = Record {
        sticky: "moved",
        sticky_reason: Some("draining"),
        attempts: 2,
        held: Duration::from_millis(1_200),
        ..full()
    };
    assert_eq!(
        plain(&moved),
        "12:04:11.482 200 GET app.localhost/login → web-3 172.20.0.5:80 3.1ms router=web@docker lb=wrr sticky=moved \
         reason=draining attempt=2 held=1.2s\n"
    );
    let lost = Record { status: 502, sticky: "none", error: Some("upstream_closed"), lost: true, ..full() };
    assert_eq!(
        plain(&lost),
        "12:04:11.482 502 GET app.localhost/login → web-3 172.20.0.5:80 3.1ms router=web@docker lb=wrr sticky=none \
         lost=upstream_closed\n"
    );
    let waited = Record {
        status: 503,
        server_name: None,
        server_address: None,
        sticky: "none",
        held: Duration::from_secs(15),
        error: Some("no_server"),
        ..full()
    };
    assert_eq!(
        plain(&waited),
        "12:04:11.482 503 GET app.localhost/login → - 3.1ms router=web@docker lb=wrr sticky=none held=15.0s \
         error=no_server\n"
    );
}

#[test]
fn seaway_in_colour_says_the_same() {
    for record in [full(), unrouted(), hostile()] {
        let coloured = line(Format::Seaway { colour: true }, &record);
        assert!(coloured.contains("\u{1b}[2m12:04:11.482\u{1b}[0m "));
        let mut bare = String::new();
        let mut rest = coloured.as_str();
        while let Some((text, after)) = rest.split_once('\u{1b}') {
            bare.push_str(text);
            rest = after.split_once('m').map_or("", |(_, text)| text);
        }
        bare.push_str(rest);
        assert_eq!(bare, line(Format::Seaway { colour: false }, &record));
    }
}

#[test]
fn no_text_leaves_its_place() {
    for format in [Format::Seaway { colour: false }, Format::Common, Format::GenericClf, Format::Json] {
        let line = line(format, &hostile());
        let body = line.strip_suffix('\n').unwrap_or_default();
        assert!(!body.chars().any(char::is_control), "{body}");
        let evil = body.matches("x\\\"").count();
        assert!(evil > 4 && body.matches("x\"").count() == 0, "{body}");
    }
    // Eleven words and no blank more: fields cannot be forged by blanks either.
    let line = line(Format::Seaway { colour: false }, &hostile());
    assert_eq!(line.split(' ').count(), 11, "{line}");
}

#[test]
fn an_empty_record_is_a_line_too() {
    for format in [Format::Seaway { colour: true }, Format::Common, Format::GenericClf, Format::Json] {
        assert!(line(format, &Record::default()).ends_with('\n'));
    }
}

#[test]
fn formats_have_names() {
    assert_eq!(Format::from_name("seaway", true), Ok(Format::Seaway { colour: true }));
    assert_eq!(Format::from_name("genericCLF", true), Ok(Format::GenericClf));
    assert_eq!(Format::from_name("common", false), Ok(Format::Common));
    assert_eq!(Format::from_name("json", false), Ok(Format::Json));
    assert!(Format::from_name("jsonl", false).is_err_and(|error| error.contains("jsonl")));
}

fn fields(default: &str, names: &[(&str, &str)], query: &str) -> Fields {
    let mut options =
        seaway_config::statics::AccessLogFields { default_mode: default.to_owned(), ..Default::default() };
    options.names = names.iter().map(|(name, mode)| ((*name).to_owned(), (*mode).to_owned())).collect();
    options.query_parameters.default_mode = query.to_owned();
    Fields::new(&options).unwrap_or_default()
}

fn line_of(format: Format, record: &Record<'_>, fields: &Fields) -> String {
    let mut out = Vec::new();
    format.write(record, fields, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// As Traefik 3.7 writes them with the same options.
#[test]
fn dropped_fields_leave_dashes() {
    let dropped = ["StartUTC", "RequestMethod", "ClientUsername", "DownstreamStatus", "Duration", "RouterName"];
    let fields = fields("keep", &dropped.map(|name| (name, "drop")), "drop");
    let record = Record { path_and_query: "/x/y?a=1", user: Some("ada"), ..full() };
    assert_eq!(
        line_of(Format::GenericClf, &record, &fields),
        "172.20.0.1 - - [01/Mar/2026:12:04:11 +0000] \"- /x/y HTTP/1.1\" - 512 \"-\" \"-\"\n"
    );
    assert_eq!(
        line_of(Format::Common, &record, &fields),
        "172.20.0.1 - - [01/Mar/2026:12:04:11 +0000] \"- /x/y HTTP/1.1\" - 512 \"-\" \"-\" 42 \"-\" \
         \"http://172.20.0.5:80\" 0ms\n"
    );
    let none = self::fields("drop", &[], "keep");
    assert_eq!(line_of(Format::GenericClf, &record, &none), "- - - [-] \"- - -\" - - \"-\" \"-\"\n");
}

#[test]
fn dropped_fields_are_no_members() {
    let few = fields("drop", &[("DownstreamStatus", "keep"), ("StartUTC", "keep")], "keep");
    assert_eq!(
        line_of(Format::Json, &full(), &few),
        concat!(
            r#"{"DownstreamStatus":200,"StartUTC":"2026-03-01T12:04:11.482Z","level":"info","msg":"","#,
            r#""time":"2026-03-01T12:04:11Z"}"#,
            "\n"
        )
    );
    let line = line_of(Format::Json, &full(), &fields("keep", &[("ClientAddr", "drop"), ("StartUTC", "drop")], "keep"));
    assert!(line.starts_with(r#"{"ClientHost":"#), "{line}");
    assert!(line.contains(r#""StartLocal":"2026-03-01T12:04:11.482Z","Sticky""#), "{line}");
    let none = line_of(Format::Json, &full(), &fields("drop", &[], "keep"));
    assert_eq!(none, "{\"level\":\"info\",\"msg\":\"\",\"time\":\"2026-03-01T12:04:11Z\"}\n");
}

#[test]
fn kept_headers_stand_at_their_places() {
    let mut headers = http::HeaderMap::new();
    headers.insert("x-up", http::HeaderValue::from_static("1"));
    let mut options = seaway_config::statics::AccessLogFields::default();
    options.headers.default_mode = "keep".to_owned();
    let fields = Fields::new(&options).unwrap_or_default();
    let mut kept = KeptHeaders::default();
    kept.request(&fields, &headers);
    kept.origin(&fields, &headers);
    kept.downstream(&fields, &headers);
    let line = line_of(Format::Json, &Record { headers: Some(&kept), ..full() }, &fields);
    assert!(
        line.contains(concat!(
            r#","downstream_X-Up":"1","entryPointName":"web","level":"info","msg":"","origin_X-Up":"1","#,
            r#""request_X-Up":"1","time":"#
        )),
        "{line}"
    );
}

#[test]
fn what_a_server_failed_to_answer_counts_as_the_origins() {
    let failed = Record { origin_status: None, status: 502, response_bytes: 11, forwarded: true, ..full() };
    let line = line(Format::Json, &failed);
    assert!(
        line.contains(r#""OriginContentSize":11,"OriginDuration":2149000,"OriginStatus":502,"Overhead":1000000"#),
        "{line}"
    );
    let compressed = Record { origin_bytes: Some(1200), response_bytes: 36, ..full() };
    let line = self::line(Format::Json, &compressed);
    assert!(line.contains(r#""GzipRatio":33.333333333333336,"OriginContentSize":1200,"#), "{line}");
}
