//! What a client takes (RFC 9110 §12.5.3).

use http::HeaderValue;

/// A way to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Brotli,
    Zstd,
}

/// What a response gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nothing.
    Identity,
    Encoding(Encoding),
}

const ALL: [Encoding; 3] = [Encoding::Gzip, Encoding::Brotli, Encoding::Zstd];

impl Encoding {
    pub(super) fn parse(option: &str, text: &str) -> Result<Self, String> {
        let found = ALL.into_iter().find(|known| text.trim().eq_ignore_ascii_case(known.name()));
        found.ok_or_else(|| format!("{option}: {text:?} is none of gzip, br and zstd"))
    }

    /// Its name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Never zero.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Gzip => 1,
            Self::Brotli => 2,
            Self::Zstd => 3,
        }
    }

    pub(super) fn numbered(number: u64) -> Option<Self> {
        ALL.into_iter().find(|known| known.number() == number)
    }
}

/// What of `offered`, the preferred first, this client gets: what it rates highest, and of equals the first.
pub(super) fn choose<'h>(accepts: impl IntoIterator<Item = &'h HeaderValue>, offered: &[Encoding]) -> Choice {
    let (mut rated, mut any, mut identity) = ([None; 3], None, None);
    let values = accepts.into_iter().filter_map(|value| value.to_str().ok());
    for item in values.flat_map(|value| value.split(',')) {
        let (name, weight) = weighted(item);
        if name == "*" {
            any = Some(weight);
        } else if name.eq_ignore_ascii_case("identity") {
            identity = Some(weight);
        } else if let Some((slot, _)) =
            rated.iter_mut().zip(ALL).find(|(_, known)| name.eq_ignore_ascii_case(known.name()))
        {
            *slot = Some(weight);
        }
    }
    let named = |encoding: Encoding| rated.iter().zip(ALL).find(|(_, known)| *known == encoding).and_then(|(w, _)| *w);
    // A star stands for what is not named; the first that is offered is as good as any.
    let starred = offered.iter().copied().find(|encoding| named(*encoding).is_none());
    let mut best = (Choice::Identity, 0);
    for &encoding in offered {
        let weight = named(encoding).or_else(|| any.filter(|_| starred == Some(encoding))).unwrap_or(0);
        if weight > best.1 {
            best = (Choice::Encoding(encoding), weight);
        }
    }
    // Who rates it higher than all that is offered wants it.
    if identity.is_some_and(|weight| weight > best.1) { Choice::Identity } else { best.0 }
}

/// A name and its weight in thousandths; a weight that is none counts as zero.
fn weighted(item: &str) -> (&str, u16) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let weight =
        weight.map_or(Some(1.0), |text| text.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight)));
    (name, (weight.unwrap_or(0.0) * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_get() {
        use Encoding::{Brotli, Gzip, Zstd};
        let (id, gzip, br, zstd) =
            (Choice::Identity, Choice::Encoding(Gzip), Choice::Encoding(Brotli), Choice::Encoding(Zstd));
        let usual = &[Gzip, Brotli, Zstd][..];
        for (accept, offered, want) in [
            ("gzip, deflate, br, zstd", usual, gzip),
            ("gzip, deflate, br, zstd", &[Zstd, Brotli, Gzip], zstd),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", usual, br),
            ("BR", usual, br),
            ("gzip;q=0.5, zstd;q=0.5", usual, gzip),
            ("gzip;q=0", usual, id),
            ("*", usual, gzip),
            ("*", &[Brotli, Gzip], br),
            ("gzip;q=0, *", usual, br),
            ("*;q=0", usual, id),
            ("identity", usual, id),
            ("identity;q=1, gzip;q=0.5", usual, id),
            ("identity;q=0.5, gzip", usual, gzip),
            ("identity, gzip", usual, gzip),
            ("deflate, compress", usual, id),
            ("br", &[Gzip], id),
            ("", usual, id),
            ("gzip;q=2", usual, id),
            ("gzip;q=x", usual, id),
            ("gzip ; Q=0.3 , br ; q=0.4", usual, br),
            (";;,=,;q=", usual, id),
        ] {
            let value = HeaderValue::from_static(accept);
            assert_eq!(choose([&value], offered), want, "{accept:?} {offered:?}");
        }
    }
}
