//! How options look in the API's JSON: Traefik's shapes, where a value that says nothing is left out.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// One option's JSON form.
pub(crate) trait Wire {
    /// True when the option is left out of the JSON.
    fn omit(&self) -> bool;
    /// Writes it.
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

impl Wire for String {
    fn omit(&self) -> bool {
        self.is_empty()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl Wire for bool {
    fn omit(&self) -> bool {
        !*self
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl Wire for Duration {
    fn omit(&self) -> bool {
        self.is_zero()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_duration(*self))
    }
}

impl<T: Serialize> Wire for Option<T> {
    fn omit(&self) -> bool {
        self.is_none()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl<T: Serialize> Wire for Vec<T> {
    fn omit(&self) -> bool {
        self.is_empty()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl<T: Serialize> Wire for BTreeMap<String, T> {
    fn omit(&self) -> bool {
        self.is_empty()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

macro_rules! wire_int {
    ($($int:ty),+) => {$(
        impl Wire for $int {
            fn omit(&self) -> bool {
                *self == 0
            }
            fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )+};
}
wire_int!(i64, u32, u64, usize);

/// A duration as Go prints it: `1m30s`, `100ms`.
pub fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000_000_000 {
        let (scale, unit) = match nanos {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{}{unit}", fraction(nanos, scale));
    }
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = fraction(nanos % 60_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

fn fraction(value: u128, scale: u128) -> String {
    let (whole, part) = (value / scale, value % scale);
    if part == 0 {
        return whole.to_string();
    }
    let digits = scale.to_string().len() - 1;
    let text = format!("{whole}.{part:0digits$}");
    text.trim_end_matches('0').to_owned()
}
