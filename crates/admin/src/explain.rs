//! `/api/seaway/explain`: where a request would go, and why.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use seaway_routing::explain::{self, Explanation, Outcome, Question};
use seaway_telemetry::{Fields, Format, Record};
use serde_json::{Value, json};

use crate::list::Query;
use crate::{EntryPoint, View, reply};

/// Who asks, if the question does not say.
const SOMEBODY: &str = "127.0.0.1";

/// Answers `url`, `method`, `header` and `cookie` (any number of them), `from`, `entryPoint`.
pub(crate) fn answer(view: &View<'_>, query: &Query) -> Response<Vec<u8>> {
    match explained(view, query) {
        Ok(value) => reply::json(&value),
        Err(text) => reply::error(StatusCode::BAD_REQUEST, &text),
    }
}

fn explained(view: &View<'_>, query: &Query) -> Result<Value, String> {
    let url = url(query.get("url"))?;
    let (entry_point, why) = entry_point(view, query.get("entryPoint"), &url)?;
    let method = Some(query.get("method")).filter(|method| !method.is_empty()).unwrap_or("GET");
    let from = Some(query.get("from")).filter(|from| !from.is_empty()).unwrap_or(SOMEBODY);
    let believes = &entry_point.options.forwarded_headers;
    let question = Question {
        method: Method::from_bytes(method.as_bytes()).map_err(|_| format!("{method:?} is no method"))?,
        headers: headers(query)?,
        from: from.parse().map_err(|_| format!("{from:?} is no address"))?,
        trusts_everybody: believes.insecure,
        trusted: believes.trusted_ips.clone(),
        url: url.clone(),
    };
    let told = match explain::head(question) {
        Ok(head) => {
            let told = explain::explain(view.table, entry_point.name, &head, view.now);
            let line = line(&told, &url, method, from);
            let mut value = json!(told);
            value["log"] = json!(line);
            value
        }
        Err((status, reason)) => {
            let text = format!("{status}: refused before anything is routed: {reason}");
            json!({
                "entryPoint": entry_point.name,
                "routers": [],
                "outcome": Outcome { status: Some(status), text, error: Some(reason.to_owned()) },
            })
        }
    };
    let mut told = told;
    told["url"] = json!(url.to_string());
    told["entryPointWhy"] = json!(why);
    Ok(told)
}

fn url(text: &str) -> Result<Uri, String> {
    if text.is_empty() {
        return Err("which url? for example ?url=http://app.localhost/x".to_owned());
    }
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: Uri = whole.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
    match url.scheme_str() {
        Some("http" | "https") => Ok(url),
        _ => Err(format!("{text:?}: only http and https URLs are routed")),
    }
}

fn headers(query: &Query) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for line in query.all("header") {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("{line:?} is no header such as Name: value"))?;
        let name =
            HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| format!("{name:?} is no header's name"))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| format!("{value:?} is no header's value"))?;
        headers.append(name, value);
    }
    let cookies: Vec<&str> = query.all("cookie").collect();
    if !cookies.is_empty() {
        let cookies = cookies.join("; ");
        let value = HeaderValue::from_str(&cookies).map_err(|_| format!("{cookies:?} cannot be sent as cookies"))?;
        headers.append(header::COOKIE, value);
    }
    Ok(headers)
}

/// The entry point that the request would arrive at, and how that is known.
fn entry_point<'v>(view: &View<'v>, named: &str, url: &Uri) -> Result<(EntryPoint<'v>, String), String> {
    let all = view.entry_points;
    if !named.is_empty() {
        let found = all.iter().find(|entry_point| entry_point.name == named);
        let found = found.ok_or_else(|| format!("there is no entry point {named:?}"))?;
        return Ok((*found, "named".to_owned()));
    }
    let secure = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let listens = |entry_point: &&EntryPoint<'_>| port_of(&entry_point.options.address) == Some(port);
    if let Some(found) = all.iter().find(listens) {
        return Ok((*found, format!("it listens on port {port}")));
    }
    // In a container the port outside is another one mostly.
    let usual = if secure { ["websecure", "https"] } else { ["web", "http"] };
    let by_name = all.iter().find(|entry_point| usual.contains(&entry_point.name));
    let by_name = by_name.or_else(|| all.iter().find(|entry_point| entry_point.name != "traefik"));
    let found = by_name.or_else(|| all.first()).ok_or("there is no entry point")?;
    Ok((*found, format!("none listens on port {port}; this one is likely to be behind it")))
}

fn port_of(address: &str) -> Option<u16> {
    let (_, port) = address.split('/').next()?.rsplit_once(':')?;
    port.parse().ok()
}

/// The line of the log, without what nobody knows before: when, and how long it takes.
fn line(told: &Explanation, url: &Uri, method: &str, from: &str) -> String {
    let service = told.service.as_ref();
    let choice = service.and_then(|service| service.choice.as_ref()).filter(|_| told.outcome.error.is_none());
    let address = choice.map(|choice| choice.url.split_once("://").map_or(&*choice.url, |(_, rest)| rest));
    let record = Record {
        status: told.outcome.status.unwrap_or(0),
        method,
        host: url.authority().map_or("", |authority| authority.as_str()),
        path_and_query: url.path_and_query().map_or("/", |target| target.as_str()),
        client_host: from,
        entry_point: &told.entry_point,
        router: told.router.as_deref(),
        service: service.map(|service| &*service.name),
        server_name: choice.map(|choice| &*choice.server),
        server_address: address,
        sticky: choice.map_or("none", |choice| choice.sticky),
        sticky_reason: choice.and_then(|choice| choice.reason),
        strategy: service.map_or("", |service| service.strategy),
        error: None,
        ..Record::default()
    };
    let mut line = Vec::new();
    Format::Seaway { colour: false }.write(&record, &Fields::default(), &mut line);
    let line = String::from_utf8_lossy(&line);
    let line = line.trim_end().split_once(' ').map_or("", |(_, rest)| rest).replacen(" 0µs", "", 1);
    match &told.outcome.error {
        Some(error) => format!("{line} error={error}"),
        None => line,
    }
}
