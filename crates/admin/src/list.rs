//! Lists: which objects, in which order, which page of them.

use std::cmp::Ordering;

use http::{HeaderName, HeaderValue, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::reply;

/// The next page's number, or 1 on the last page.
const NEXT_PAGE: HeaderName = HeaderName::from_static("x-next-page");

const PER_PAGE: usize = 100;

/// A query, taken apart. The first value of a name counts.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d%20e+f`.
    pub(crate) fn parse(text: &str) -> Self {
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect(),
        )
    }

    /// Every value of `name`, in order.
    pub(crate) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name`; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, String> {
        match self.get(name) {
            "" => Ok(default),
            text => match text.parse::<i64>() {
                Ok(number @ 1..) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
                // What is no number is a zero to Traefik.
                other => Err(format!("invalid request: {name}: {}", other.unwrap_or(0))),
            },
        }
    }
}

/// One page of the objects that the query asks for. `searched` names the members that `search` looks into.
pub(crate) fn reply(objects: Vec<Value>, query: &Query, searched: &[&str]) -> Response<Vec<u8>> {
    let mut found: Vec<Value> = objects.into_iter().filter(|object| wanted(object, query, searched)).collect();
    let by = Some(query.get("sortBy")).filter(|by| !by.is_empty()).unwrap_or("name");
    found.sort_by(|a, b| order(a, b, by));
    if query.get("direction").eq_ignore_ascii_case("desc") {
        found.reverse();
    }
    match page(query, found.len()) {
        Ok(page) => {
            let rows = found.into_iter().skip(page.start).take(page.length).collect();
            let mut response = reply::json(&Value::Array(rows));
            response.headers_mut().insert(NEXT_PAGE, HeaderValue::from(page.next));
            response
        }
        Err(message) => reply::error(StatusCode::BAD_REQUEST, &message),
    }
}

struct Page {
    start: usize,
    length: usize,
    next: usize,
}

fn page(query: &Query, total: usize) -> Result<Page, String> {
    let length = query.number("per_page", PER_PAGE)?;
    let page = query.number("page", 1)?;
    let start = (page - 1).saturating_mul(length);
    if start != 0 && start >= total {
        return Err(format!("invalid request: page: {page}, per_page: {length}"));
    }
    let next = if start.saturating_add(length) < total { page + 1 } else { 1 };
    Ok(Page { start, length, next })
}

fn wanted(object: &Value, query: &Query, searched: &[&str]) -> bool {
    let status = query.get("status");
    if !status.is_empty() && !text(object, "status").eq_ignore_ascii_case(status) {
        return false;
    }
    let search = query.get("search").to_lowercase();
    if !search.is_empty() && !searched.iter().any(|member| text(object, member).to_lowercase().contains(&search)) {
        return false;
    }
    let service = query.get("serviceName");
    if !service.is_empty() && !names_service(text(object, "service"), service) {
        return false;
    }
    let middleware = query.get("middlewareName");
    middleware.is_empty() || members(object, "middlewares").any(|name| name == middleware)
}

/// A router names its service with or without a provider; who asks may write it either way.
fn names_service(written: &str, asked: &str) -> bool {
    let local = asked.split('@').next().unwrap_or_default();
    written == asked || (!written.contains('@') && written == local)
}

fn order(a: &Value, b: &Value, by: &str) -> Ordering {
    let first = match by {
        "priority" => integer(a, "priority").cmp(&integer(b, "priority")),
        "servers" => servers(a).cmp(&servers(b)),
        "entryPoints" => members(a, "entryPoints").cmp(members(b, "entryPoints")),
        "name" | "provider" | "status" | "rule" | "service" | "type" => text(a, by).cmp(text(b, by)),
        _ => Ordering::Equal,
    };
    first.then_with(|| text(a, "name").cmp(text(b, "name")))
}

fn text<'o>(object: &'o Value, member: &str) -> &'o str {
    object.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn integer(object: &Value, member: &str) -> i64 {
    object.get(member).and_then(Value::as_i64).unwrap_or_default()
}

fn members<'o>(object: &'o Value, member: &str) -> impl Iterator<Item = &'o str> {
    object.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn servers(object: &Value) -> usize {
    object.pointer("/loadBalancer/servers").and_then(Value::as_array).map_or(0, Vec::len)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(count: usize) -> Vec<Value> {
        (0..count).map(|n| json!({"name": format!("r{n:03}"), "status": "enabled"})).collect()
    }

    fn ask(objects: Vec<Value>, query: &str) -> (u16, String, Value) {
        let response = reply(objects, &Query::parse(query), &["name", "rule"]);
        let next = response.headers().get(NEXT_PAGE).map_or("", |v| v.to_str().unwrap()).to_owned();
        (response.status().as_u16(), next, serde_json::from_slice(response.body()).unwrap())
    }

    #[test]
    fn pages_follow_one_another_and_end_in_one() {
        for (total, query, next, first, length) in [
            (0, "", "1", "", 0),
            (100, "", "1", "r000", 100),
            (101, "", "2", "r000", 100),
            (101, "page=2", "1", "r100", 1),
            (5, "per_page=2&page=2", "3", "r002", 2),
            (5, "per_page=2&page=3", "1", "r004", 1),
            (4, "per_page=2&page=2", "1", "r002", 2),
        ] {
            let (status, told, rows) = ask(names(total), query);
            let rows = rows.as_array().unwrap();
            assert_eq!((status, told.as_str(), rows.len()), (200, next, length), "{total} {query}");
            assert_eq!(rows.first().map_or("", |row| text(row, "name")), first);
        }
    }

    #[test]
    fn pages_that_are_none_are_refused() {
        for query in ["page=0", "page=-1", "page=x", "per_page=0", "page=2", "page=18446744073709551615&per_page=9"] {
            let (status, _, body) = ask(names(3), query);
            assert_eq!(status, 400, "{query}");
            assert!(text(&body, "message").starts_with("invalid request: "), "{body}");
        }
    }

    #[test]
    fn objects_are_searched_filtered_and_sorted() {
        let objects = || {
            vec![
                json!({"name": "b@docker", "rule": "Host(`X.y`)", "status": "enabled", "service": "web", "priority": 9,
                       "middlewares": ["auth@docker"]}),
                json!({"name": "a@docker", "rule": "Path(`/`)", "status": "disabled", "service": "api@file", "priority": 10}),
            ]
        };
        for (query, want) in [
            ("", vec!["a@docker", "b@docker"]),
            ("direction=desc", vec!["b@docker", "a@docker"]),
            ("sortBy=priority", vec!["b@docker", "a@docker"]),
            ("sortBy=status", vec!["a@docker", "b@docker"]),
            ("sortBy=nonsense", vec!["a@docker", "b@docker"]),
            ("search=x.Y", vec!["b@docker"]),
            ("search=%60%2F", vec!["a@docker"]),
            ("search=nothing", vec![]),
            ("status=Disabled", vec!["a@docker"]),
            ("serviceName=web@docker", vec!["b@docker"]),
            ("serviceName=api@file", vec!["a@docker"]),
            ("serviceName=api@docker", vec![]),
            ("middlewareName=auth@docker", vec!["b@docker"]),
        ] {
            let (_, _, rows) = ask(objects(), query);
            let found: Vec<&str> = rows.as_array().unwrap().iter().map(|row| text(row, "name")).collect();
            assert_eq!(found, want, "{query}");
        }
    }

    #[test]
    fn an_empty_list_is_a_list() {
        assert_eq!(ask(Vec::new(), ""), (200, "1".to_owned(), json!([])));
    }
}
