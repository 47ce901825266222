//! Lists of statuses as options give them: `404`, `500-599`.

use std::ops::RangeInclusive;

/// Some statuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statuses(Box<[RangeInclusive<u16>]>);

impl Statuses {
    /// `option` names the list in errors.
    pub(crate) fn compile(option: &str, list: &[String]) -> Result<Self, String> {
        list.iter().map(|text| range(option, text)).collect::<Result<Box<[_]>, _>>().map(Self)
    }

    /// One of them.
    pub(crate) fn contain(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }

    /// There are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One entry of such a list.
pub(crate) fn range(option: &str, text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong = || format!("{option} {text:?} is neither a status nor a range of them; write 404 or 500-599");
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|n| (100..=999).contains(n)).ok_or_else(wrong);
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (number(from)?, number(to)?);
    if from <= to { Ok(from..=to) } else { Err(wrong()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_ranges() {
        let list = ["404", " 500 - 502 ", "599"].map(str::to_owned);
        let statuses = Statuses::compile("o", &list).unwrap();
        for (status, is) in [(404, true), (403, false), (500, true), (502, true), (503, false), (599, true)] {
            assert_eq!(statuses.contain(status), is, "{status}");
        }
        for text in ["", "4xx", "600-500", "99", "1000", "-500", "500-", "404,405"] {
            assert!(Statuses::compile("o", &[text.to_owned()]).is_err(), "{text:?}");
        }
    }
}
