use http::header::AUTHORIZATION;

use super::*;
use crate::testing::{Desk, get, values};

fn options() -> model::ForwardAuth {
    model::ForwardAuth { address: "http://auth:9000/verify".to_owned(), ..model::ForwardAuth::default() }
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

fn request(pairs: &[(&str, &str)]) -> RequestHead {
    let mut head = get("/a%20b?c=d");
    head.headers.extend(map(pairs));
    head
}

/// What is asked for this request.
fn asked(options: &model::ForwardAuth, head: &RequestHead) -> Ask {
    let mut desk = Desk::default();
    question(ForwardAuth::compile(options, &Files::default()).unwrap().on_request(head, &mut desk.cx()))
}

fn question(flow: Flow) -> Ask {
    let Flow::Need(need) = flow else { panic!("{flow:?}") };
    let Need::Ask(ask) = *need else { panic!("{need:?}") };
    *ask
}

fn heard(status: u16, headers: &[(&str, &str)], body: &'static str) -> Got {
    let status = StatusCode::from_u16(status).unwrap();
    Got::Asked(Ok(Box::new(Heard { status, headers: map(headers), body: Bytes::from_static(body.as_bytes()) })))
}

fn resume(options: &model::ForwardAuth, head: &mut RequestHead, desk: &mut Desk, got: Got) -> Flow {
    ForwardAuth::compile(options, &Files::default()).unwrap().resume(head, &mut desk.cx(), got)
}

fn refusal(options: &model::ForwardAuth, got: Got) -> Answer {
    let Flow::Answer(answer) = resume(options, &mut request(&[]), &mut Desk::default(), got) else { panic!() };
    *answer
}

#[test]
fn the_question_has_the_client_s_headers_and_says_what_it_is_about() {
    let mut head = request(&[("cookie", "a=b"), ("x-mine", "1"), ("te", "trailers"), ("content-length", "3")]);
    head.method = Method::POST;
    let ask = asked(&options(), &head);
    assert_eq!((&ask.method, &*ask.target, ask.body), (&Method::GET, "/verify", None));
    assert_eq!((&*ask.server.host, ask.server.port), ("auth", 9000));
    let want = map(&[
        ("cookie", "a=b"),
        ("x-mine", "1"),
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "app.example"),
        ("x-forwarded-uri", "/a%20b?c=d"),
    ]);
    assert_eq!(ask.headers, want);
    let same = model::ForwardAuth { preserve_request_method: true, ..options() };
    assert_eq!(asked(&same, &head).method, Method::POST);
    let some = model::ForwardAuth { auth_request_headers: list(&["X-Mine", "X-None"]), ..options() };
    let headers = asked(&some, &head).headers;
    assert_eq!((headers.get("cookie"), values(&headers, "x-mine")), (None, vec!["1"]));
    assert_eq!(headers["x-forwarded-method"], "POST");
}

#[test]
fn whose_forwarded_headers_are_believed() {
    let head = request(&[
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "outer.example"),
        ("x-forwarded-port", "8443"),
        ("x-forwarded-prefix", "/p"),
        ("x-real-ip", "203.0.113.9"),
    ]);
    for (trust, list, proto, host, port, prefix, real) in [
        (Some(true), "203.0.113.9, 192.0.2.7", "https", "outer.example", Some("8443"), Some("/p"), true),
        (Some(false), "192.0.2.7", "http", "app.example", Some("80"), None, false),
        (None, "192.0.2.7", "http", "app.example", Some("8443"), Some("/p"), true),
    ] {
        let headers = asked(&model::ForwardAuth { trust_forward_header: trust, ..options() }, &head).headers;
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(text("x-forwarded-for"), Some(list), "{trust:?}");
        assert_eq!((text("x-forwarded-proto"), text("x-forwarded-host")), (Some(proto), Some(host)), "{trust:?}");
        assert_eq!((text("x-forwarded-port"), text("x-forwarded-prefix")), (port, prefix), "{trust:?}");
        assert_eq!(headers.contains_key("x-real-ip"), real, "{trust:?}");
    }
}

#[test]
fn a_good_answer_lets_the_request_pass_with_what_it_says() {
    let options = model::ForwardAuth {
        auth_response_headers: list(&["X-User", "X-Missing", "Authorization"]),
        auth_response_headers_regex: "^X-Auth-|^Content-|^Transfer-|^host$".to_owned(),
        header_field: "X-User".to_owned(),
        ..options()
    };
    let mut head = request(&[
        ("x-user", "forged"),
        ("x-missing", "forged"),
        ("x-auth-a", "forged"),
        ("authorization", "Basic x"),
        ("content-length", "5"),
        ("x-other", "kept"),
    ]);
    let mut desk = Desk::default();
    let answer = [
        ("x-user", "anna"),
        ("x-auth-b", "1"),
        ("x-auth-b", "2"),
        ("x-secret", "no"),
        ("content-length", "9"),
        ("transfer-encoding", "chunked"),
        ("host", "evil"),
    ];
    assert!(matches!(resume(&options, &mut head, &mut desk, heard(204, &answer, "")), Flow::Next));
    let want = map(&[
        ("host", "app.example"),
        ("content-length", "5"),
        ("x-other", "kept"),
        ("x-user", "anna"),
        ("x-auth-b", "1"),
        ("x-auth-b", "2"),
    ]);
    assert_eq!(head.headers, want);
    assert!(head.headers.get(AUTHORIZATION).is_none());
    assert_eq!(desk.user.as_deref(), Some("anna"));
}

#[test]
fn nobody_else_says_who_it_is_in_another_spelling() {
    let options = model::ForwardAuth {
        auth_response_headers: list(&["Remote-Groups", "my_role"]),
        auth_response_headers_regex: "^x-authentik-".to_owned(),
        ..options()
    };
    let spellings = [
        ("remote-groups", "admins"),
        ("remote_groups", "admins"),
        ("my-role", "root"),
        ("my_role", "root"),
        ("X_Authentik_Name", "root"),
        ("x-authentik_name", "root"),
        ("x_other", "1"),
    ];
    let mut head = request(&spellings);
    let answer = heard(200, &[("remote-groups", "users")], "");
    assert!(matches!(resume(&options, &mut head, &mut Desk::default(), answer), Flow::Next));
    let left: Vec<_> = head.headers.iter().filter(|(name, _)| *name != "host").collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(
        (&head.headers["x_other"], &head.headers["remote-groups"]),
        (&"1".parse().unwrap(), &"users".parse().unwrap())
    );
}

#[test]
fn cookies_for_the_client() {
    let options = model::ForwardAuth { add_auth_cookies_to_response: list(&["session", "none"]), ..options() };
    let auth = ForwardAuth::compile(&options, &Files::default()).unwrap();
    let mut desk = Desk::default();
    let answer = heard(200, &[("set-cookie", "session=new; Path=/"), ("set-cookie", "other=1")], "");
    assert!(matches!(auth.resume(&mut request(&[]), &mut desk.cx(), answer), Flow::Next));
    let mut headers = map(&[("set-cookie", "session=old"), ("set-cookie", "mine=2")]);
    let mut status = StatusCode::OK;
    auth.on_response(&mut ResponseHead { status: &mut status, headers: &mut headers }, &mut desk.memory);
    assert_eq!(values(&headers, "set-cookie"), ["mine=2", "session=new; Path=/"]);
}

#[test]
fn any_other_answer_is_the_client_s() {
    let answer = refusal(&options(), heard(401, &[("www-authenticate", "Basic"), ("location", "/login")], "who?"));
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (401, &b"who?"[..]));
    assert_eq!(answer.headers, map(&[("www-authenticate", "Basic"), ("location", "http://auth:9000/login")]));
    let keep = model::ForwardAuth { preserve_location_header: true, ..options() };
    assert_eq!(refusal(&keep, heard(302, &[("location", "/login")], "")).headers["location"], "/login");
    let sign_in = model::ForwardAuth { auth_signin_url: "https://sso.example/in".to_owned(), ..options() };
    let answer = refusal(&sign_in, heard(401, &[("x-secret", "1")], "who?"));
    assert_eq!((answer.status.as_u16(), answer.headers), (302, map(&[("location", "https://sso.example/in")])));
    assert_eq!(refusal(&sign_in, heard(403, &[], "")).status.as_u16(), 403);
}

#[test]
fn no_answer_lets_nothing_pass() {
    for (got, status) in [
        (Got::Asked(Err(Unheard::Failed)), 500),
        (Got::Asked(Err(Unheard::Late)), 500),
        (Got::Asked(Err(Unheard::TooLong)), 401),
        (Got::Body(Err(TooLong)), 401),
        (Got::Waited, 500),
        (heard(304, &[], ""), 304),
    ] {
        let answer = refusal(&options(), got);
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
    }
}

#[test]
fn the_body_is_asked_with_where_that_is_wanted() {
    let with = model::ForwardAuth { forward_body: true, max_body_size: 10, ..options() };
    let auth = ForwardAuth::compile(&with, &Files::default()).unwrap();
    for (body, reads) in [(Length::None, false), (Length::Known(3), true), (Length::Unknown, true)] {
        let mut desk = Desk { body: Some(body), ..Desk::default() };
        let flow = auth.on_request(&request(&[]), &mut desk.cx());
        let Flow::Need(need) = flow else { panic!() };
        assert_eq!(matches!(*need, Need::Body { limit: 10 }), reads, "{body:?}");
    }
    let mut desk = Desk::default();
    let ask = question(auth.resume(&mut request(&[]), &mut desk.cx(), Got::Body(Ok(Bytes::from_static(b"abc")))));
    assert_eq!(ask.body.as_deref(), Some(&b"abc"[..]));
}

#[test]
fn options_that_cannot_work_do_not_compile() {
    for options in [
        model::ForwardAuth { address: String::new(), ..options() },
        model::ForwardAuth { auth_response_headers: list(&["Content-Length"]), ..options() },
        model::ForwardAuth { auth_response_headers: list(&["a b"]), ..options() },
        model::ForwardAuth { auth_response_headers_regex: "(".to_owned(), ..options() },
        model::ForwardAuth { auth_response_headers_regex: "(a{1,1000}){1,100}".to_owned(), ..options() },
        model::ForwardAuth { header_field: "a b".to_owned(), ..options() },
        model::ForwardAuth { auth_signin_url: "https://x/\r\n".trim_end().to_owned() + "\u{1}", ..options() },
    ] {
        assert!(ForwardAuth::compile(&options, &Files::default()).is_err(), "{options:?}");
    }
}
