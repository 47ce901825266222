//! What middlewares need done: time that passes, slow work, questions to other servers, bodies that are read whole.
//!
//! Whatever waits here ends with the exchange: a client that leaves drops it all.

pub(crate) mod ask;
pub(crate) mod changed;
mod check;
pub(crate) mod ledger;
pub(crate) mod room;
pub(crate) mod shared;

use std::rc::Rc;

use bytes::Bytes;
use seaway_middleware::protocol::TooLong;
use seaway_middleware::{Got, Need};

use crate::body::{Source, Unread};
use crate::connection::Connection;
use crate::error::ProxyError;

/// Why a need was not met. The middleware is not asked what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmet {
    /// The request's body failed.
    Client(ProxyError),
    /// There is no room, or there are too many who wait.
    Busy,
}

/// Does what a middleware needs.
pub(crate) async fn meet(connection: &Rc<Connection>, source: Option<&Rc<Source>>, need: Need) -> Result<Got, Unmet> {
    match need {
        Need::Wait(time) => {
            tokio::time::sleep(time).await;
            Ok(Got::Waited)
        }
        Need::Check(check) => check::run(check).await.map(Got::Checked).ok_or(Unmet::Busy),
        Need::Ask(ask) => Ok(Got::Asked(ask::ask(&connection.worker, *ask).await.map(Box::new))),
        Need::Shared(bucket) => Ok(Got::Shared(shared::take(&connection.worker, &bucket).await)),
        Need::Body { limit } => match source {
            None => Ok(Got::Body(Ok(Bytes::new()))),
            Some(source) => match source.read_whole(limit).await {
                Ok(body) => Ok(Got::Body(Ok(body))),
                Err(Unread::TooLong) => Ok(Got::Body(Err(TooLong))),
                Err(Unread::NoRoom) => Err(Unmet::Busy),
                Err(Unread::Fault(error)) => Err(Unmet::Client(error)),
            },
        },
    }
}
