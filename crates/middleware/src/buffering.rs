//! `buffering`: bounds bodies, waits for all of a request before it is sent, and sends it again where an expression says so.

use http::{HeaderMap, Method, StatusCode};
use seaway_config::model;
use seaway_head::{RequestHead, ResponseHead};

use crate::expression::{Expression, Gives, Signature, Value};
use crate::protocol::{Again, Length, TooLong};
use crate::{Answer, Back, Came, Context, Flow, Got, Need};

/// More tries than this are never made, whatever the expression says.
const MOST_ATTEMPTS: u32 = 10;

/// Bounds bodies, and waits for all of a request before it is sent.
#[derive(Clone, Debug)]
pub struct Buffering {
    /// Of a request's body; zero for no limit.
    most_of_request: u64,
    /// Without a limit, bodies up to here are waited for.
    waits_for: u64,
    /// Of a response's body; zero for no limit.
    most_of_response: u64,
    again: Option<Expression<Call>>,
}

/// What an expression may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Attempts,
    ResponseCode,
    IsNetworkError,
    RequestMethod,
}

const CALLS: &[Signature<Call>] = &[
    Signature { name: "Attempts", takes: 0, gives: Gives::Number, make: |_| Ok(Call::Attempts) },
    Signature { name: "ResponseCode", takes: 0, gives: Gives::Number, make: |_| Ok(Call::ResponseCode) },
    Signature { name: "IsNetworkError", takes: 0, gives: Gives::Truth, make: |_| Ok(Call::IsNetworkError) },
    Signature { name: "RequestMethod", takes: 0, gives: Gives::Text, make: |_| Ok(Call::RequestMethod) },
];

/// What is kept of a request that may be sent again.
struct Kept {
    head: RequestHead,
    tries: u32,
}

impl Buffering {
    pub(crate) fn compile(options: &model::Buffering) -> Result<Self, String> {
        let size = |name: &str, bytes: i64| {
            u64::try_from(bytes)
                .map_err(|_| format!("buffering.{name} is {bytes}; it is a number of bytes, 0 for none"))
        };
        let again = match options.retry_expression.trim() {
            "" => None,
            text => Some(Expression::parse("buffering.retryExpression", text, CALLS)?),
        };
        size("memResponseBodyBytes", options.mem_response_body_bytes)?;
        Ok(Self {
            most_of_request: size("maxRequestBodyBytes", options.max_request_body_bytes)?,
            waits_for: size("memRequestBodyBytes", options.mem_request_body_bytes)?,
            most_of_response: size("maxResponseBodyBytes", options.max_response_body_bytes)?,
            again,
        })
    }

    pub(crate) fn on_request(&self, head: &RequestHead, cx: &mut Context<'_>) -> Flow {
        if self.again.is_some() {
            cx.memory.put(Kept { head: head.clone(), tries: 1 });
        }
        let limit = match cx.asked.body {
            Length::None => return Flow::Next,
            Length::Known(bytes) if self.most_of_request > 0 && bytes > self.most_of_request => return too_large(),
            // What is longer than is waited for goes on as it comes; how long it is has been said.
            Length::Known(bytes) if self.most_of_request == 0 && bytes > self.waits_for => return Flow::Next,
            Length::Known(bytes) => bytes,
            Length::Unknown if self.most_of_request > 0 => self.most_of_request,
            Length::Unknown => return Flow::Next,
        };
        Flow::need(Need::Body { limit })
    }

    pub(crate) fn resume(&self, got: &Got) -> Flow {
        match got {
            Got::Body(Ok(_)) => Flow::Next,
            Got::Body(Err(TooLong)) => too_large(),
            _ => Flow::answer(Answer::bare(
                StatusCode::INTERNAL_SERVER_ERROR,
                "buffering: got what it had not asked for",
            )),
        }
    }

    pub(crate) fn on_response(&self, head: &ResponseHead<'_>, came: &Came, cx: &mut Context<'_>) -> Back {
        if let (Some(again), Some(kept)) = (&self.again, cx.memory.get::<Kept>()) {
            let method = kept.head.method.clone();
            let wanted = is_wanted(again, kept.tries, *head.status, &method);
            if wanted && came.repeatable && kept.tries < MOST_ATTEMPTS {
                kept.tries += 1;
                return Back::Again(Box::new(Again { head: kept.head.clone(), pause: std::time::Duration::ZERO }));
            }
        }
        let limit = self.most_of_response;
        match came.body {
            _ if limit == 0 || came.head_only => Back::Next,
            Length::None => Back::Next,
            Length::Known(bytes) if bytes <= limit => Back::Next,
            Length::Known(_) => Back::Answer(Box::new(response_too_large())),
            Length::Unknown => Back::Hold(limit, Box::new(response_too_large())),
        }
    }
}

fn is_wanted(again: &Expression<Call>, tries: u32, status: StatusCode, method: &Method) -> bool {
    let network_error = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
    again.holds(&mut |call| match call {
        Call::Attempts => Value::Number(f64::from(tries)),
        Call::ResponseCode => Value::Number(f64::from(status.as_u16())),
        Call::IsNetworkError => Value::Truth(network_error),
        Call::RequestMethod => Value::Text(method.as_str()),
    })
}

fn too_large() -> Flow {
    let body = bytes::Bytes::from_static(b"Request Entity Too Large");
    let (status, reason) = (StatusCode::PAYLOAD_TOO_LARGE, "buffering: the request's body is too long");
    Flow::answer(Answer { status, headers: HeaderMap::new(), body, reason })
}

fn response_too_large() -> Answer {
    Answer::bare(StatusCode::INTERNAL_SERVER_ERROR, "buffering: the response's body is too long")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::protocol::CameFrom;
    use crate::testing::{Desk, get};

    fn compile(request: i64, response: i64, expression: &str) -> Buffering {
        Buffering::compile(&model::Buffering {
            max_request_body_bytes: request,
            mem_request_body_bytes: 100,
            max_response_body_bytes: response,
            retry_expression: expression.to_owned(),
            ..model::Buffering::default()
        })
        .unwrap()
    }

    /// `next`, a status, or how much is read first.
    fn asked(most: i64, body: Length) -> String {
        let mut desk = Desk { body: Some(body), ..Desk::default() };
        match compile(most, 0, "").on_request(&get("/"), &mut desk.cx()) {
            Flow::Next => "next".to_owned(),
            Flow::Answer(answer) => answer.status.as_u16().to_string(),
            Flow::Need(need) => match *need {
                Need::Body { limit } => format!("read {limit}"),
                other => panic!("{other:?}"),
            },
        }
    }

    #[test]
    fn what_a_request_may_have() {
        for (most, body, want) in [
            (10, Length::None, "next"),
            (10, Length::Known(10), "read 10"),
            (10, Length::Known(11), "413"),
            (10, Length::Unknown, "read 10"),
            (0, Length::Known(100), "read 100"),
            (0, Length::Known(101), "next"),
            (0, Length::Unknown, "next"),
            (500, Length::Known(400), "read 400"),
        ] {
            assert_eq!(asked(most, body), want, "{most} {body:?}");
        }
        let buffering = compile(10, 0, "");
        assert!(matches!(buffering.resume(&Got::Body(Ok(bytes::Bytes::new()))), Flow::Next));
        let Flow::Answer(answer) = buffering.resume(&Got::Body(Err(TooLong))) else { panic!() };
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (413, &b"Request Entity Too Large"[..]));
        assert!(matches!(buffering.resume(&Got::Waited), Flow::Answer(_)));
    }

    fn response(buffering: &Buffering, desk: &mut Desk, status: u16, body: Length, repeatable: bool) -> String {
        let came = Came { from: CameFrom::Server, body, head_only: false, repeatable };
        let (mut status, mut headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        let head = ResponseHead { status: &mut status, headers: &mut headers };
        match buffering.on_response(&head, &came, &mut desk.cx()) {
            Back::Next => "next".to_owned(),
            Back::Answer(answer) => answer.status.as_u16().to_string(),
            Back::Hold(limit, instead) => format!("hold {limit} or {}", instead.status.as_u16()),
            Back::Again(_) => "again".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_response_may_have() {
        for (most, body, want) in [
            (0, Length::Known(1 << 40), "next"),
            (0, Length::Unknown, "next"),
            (10, Length::Known(10), "next"),
            (10, Length::Known(11), "500"),
            (10, Length::Unknown, "hold 10 or 500"),
        ] {
            assert_eq!(response(&compile(0, most, ""), &mut Desk::default(), 200, body, true), want, "{most} {body:?}");
        }
    }

    #[test]
    fn a_request_is_sent_again_as_the_expression_says() {
        for (expression, status, repeatable, tries) in [
            ("IsNetworkError() && Attempts() < 2", 502, true, 2),
            ("IsNetworkError() && Attempts() < 2", 502, false, 1),
            ("IsNetworkError() && Attempts() <= 2", 504, true, 3),
            ("IsNetworkError() && Attempts() <= 2", 500, true, 1),
            ("ResponseCode() >= 500 && RequestMethod() == \"GET\"", 500, true, 10),
            ("RequestMethod() == \"POST\"", 500, true, 1),
        ] {
            let buffering = compile(0, 0, expression);
            let mut desk = Desk::default();
            buffering.on_request(&get("/"), &mut desk.cx());
            let mut made = 1;
            while response(&buffering, &mut desk, status, Length::Known(0), repeatable) == "again" {
                made += 1;
            }
            assert_eq!(made, tries, "{expression} {status}");
        }
    }

    #[test]
    fn options_that_mean_nothing_do_not_compile() {
        let default = model::Buffering::default;
        for options in [
            model::Buffering { max_request_body_bytes: -1, ..default() },
            model::Buffering { max_response_body_bytes: -1, ..default() },
            model::Buffering { retry_expression: "Attempts()".to_owned(), ..default() },
        ] {
            assert!(Buffering::compile(&options).is_err(), "{options:?}");
        }
        assert!(Buffering::compile(&default()).is_ok());
    }
}
