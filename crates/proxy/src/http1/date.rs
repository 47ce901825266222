//! The `Date` of a response (RFC 9110 §5.6.7), written once a second.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
const LENGTH: usize = 29;

thread_local! {
    static LAST: Cell<(u64, [u8; LENGTH])> = const { Cell::new((u64::MAX, [0; LENGTH])) };
}

/// Appends the date of now.
pub(crate) fn write(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (second, mut text) = LAST.get();
    if second != now {
        text = format(now);
        LAST.set((now, text));
    }
    out.extend_from_slice(&text);
}

/// Seconds since 1970 as a date. Years beyond 9999 have no such form and end with it.
fn format(seconds: u64) -> [u8; LENGTH] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let seconds = seconds.min(253_402_300_799);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut text = *b"Xxx, 00 Xxx 0000 00:00:00 GMT";
    let mut put = |at: usize, part: &[u8]| {
        if let Some(place) = text.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
    };
    put(0, DAYS.get((days % 7) as usize).copied().unwrap_or(b"Thu"));
    put(5, &two(day));
    put(8, MONTHS.get(month as usize).copied().unwrap_or(b"Jan"));
    put(12, &two(year / 100));
    put(14, &two(year % 100));
    put(17, &two(second / 3600));
    put(20, &two(second / 60 % 60));
    put(23, &two(second % 60));
    text
}

fn two(number: u64) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month from 0 and day from 1 of a day since 1970. Years are counted from March, so that a leap day is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    // 719,468 days from 1 March of year 0 to 1 January 1970; 146,097 in each 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    (era * 400 + year_of_era + u64::from(month < 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seconds: u64) -> String {
        String::from_utf8_lossy(&format(seconds)).into_owned()
    }

    #[test]
    fn known_dates() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (1_735_689_600, "Wed, 01 Jan 2025 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(text(seconds), date);
        }
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let lengths = |leap: bool| [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let (mut year, mut month, mut day) = (1970, 0, 1);
        for days in 0..100_000 {
            assert_eq!(civil(days), (year, month, day), "{days}");
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            day += 1;
            if day > lengths(leap)[month as usize] {
                (month, day) = (month + 1, 1);
            }
            if month == 12 {
                (year, month) = (year + 1, 0);
            }
        }
    }

    #[test]
    fn it_is_now() {
        let mut out = Vec::new();
        write(&mut out);
        write(&mut out);
        assert_eq!(out.len(), 2 * LENGTH);
        assert!(out.ends_with(b" GMT"));
    }
}
