//! Which exchanges are written down.

use std::ops::RangeInclusive;
use std::time::Duration;

use seaway_config::statics::AccessLogFilters;

use crate::Record;

/// Lets a record through when one of the configured filters does, or when none is configured.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    statuses: Box<[RangeInclusive<u16>]>,
    retried: bool,
    slower_than: Duration,
}

impl Filters {
    /// Reads the options; an error names the entry that is no status and no range.
    pub fn new(options: &AccessLogFilters) -> Result<Self, String> {
        let statuses = options.status_codes.iter().map(|text| range(text)).collect::<Result<_, _>>()?;
        Ok(Self { statuses, retried: options.retry_attempts, slower_than: options.min_duration })
    }

    /// True when the record is to be written.
    pub fn allows(&self, record: &Record<'_>) -> bool {
        let none = self.statuses.is_empty() && !self.retried && self.slower_than.is_zero();
        none || self.statuses.iter().any(|range| range.contains(&record.status))
            || (self.retried && record.retries() > 0)
            || (!self.slower_than.is_zero() && record.duration > self.slower_than)
    }
}

/// `404` or `500-599`.
fn range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    match (low.trim().parse::<u16>(), high.trim().parse::<u16>()) {
        (Ok(low), Ok(high)) if (100..=999).contains(&low) && low <= high && high <= 999 => Ok(low..=high),
        _ => {
            Err(format!("accessLog.filters.statusCodes {text:?} is no status such as 404 and no range such as 500-599"))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn filters(codes: &[&str], retry_attempts: bool, millis: u64) -> Filters {
        let status_codes = codes.iter().map(|c| (*c).to_owned()).collect();
        let min_duration = Duration::from_millis(millis);
        Filters::new(&AccessLogFilters { status_codes, retry_attempts, min_duration }).unwrap()
    }

    fn record(status: u16, attempts: u32, millis: u64) -> Record<'static> {
        Record { status, attempts, duration: Duration::from_millis(millis), ..Record::default() }
    }

    #[test]
    fn no_filter_lets_everything_through() {
        assert!(filters(&[], false, 0).allows(&record(200, 1, 0)));
    }

    #[test]
    fn one_filter_is_enough() {
        let filters = filters(&["404", "500-599"], true, 100);
        for (status, attempts, millis, want) in [
            (404, 1, 1, true),
            (500, 1, 1, true),
            (599, 1, 1, true),
            (200, 2, 1, true),
            (200, 1, 101, true),
            (200, 1, 100, false),
            (403, 0, 1, false),
        ] {
            assert_eq!(filters.allows(&record(status, attempts, millis)), want, "{status} {attempts} {millis}");
        }
    }

    #[test]
    fn what_is_no_status_is_named() {
        for text in ["", "abc", "4xx", "500-400", "99", "200-", "200-1000"] {
            let error = range(text).unwrap_err();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
