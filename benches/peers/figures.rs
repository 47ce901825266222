//! From single readings to what may be said: medians, how far they spread, and ratios.

/// Median and spread of several rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Figure {
    /// Of these rounds; `None` if there are none.
    pub(crate) fn of(rounds: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = rounds.into_iter().filter(|v| v.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Some(Self { median, min, max })
    }
}

/// The ratio to another one's reading of the same round, so that what slows down a whole round falls out; `None` for both
/// sides of a round that one of them did not run.
pub(crate) fn ratio(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<Figure> {
    let rounds = ours.iter().zip(theirs).filter_map(|(ours, theirs)| match (ours, theirs) {
        (Some(ours), Some(theirs)) if *theirs > 0.0 => Some(ours / theirs),
        _ => None,
    });
    Figure::of(rounds)
}

/// By nearest rank, of sorted values; `share` from 0 to 1.
pub(crate) fn percentile<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 values")]
    let rank = (share * sorted.len() as f64).ceil().max(1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, at most the length")]
    let rank = rank as usize;
    sorted.get(rank.min(sorted.len()).checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_the_spread_the_ends() {
        let odd = Figure::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.median, odd.min, odd.max), (2.0, 1.0, 3.0));
        assert_eq!(Figure::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Figure::of([f64::NAN, f64::INFINITY, 5.0]).unwrap().median, 5.0);
        assert_eq!(Figure::of([]), None);
    }

    #[test]
    fn ratios_are_made_within_a_round() {
        // The machine is twice as slow in the second round; the ratio is the same.
        let ours = [Some(10.0), Some(20.0), Some(10.5), None];
        let theirs = [Some(20.0), Some(40.0), Some(21.0), Some(1.0)];
        let ratio = ratio(&ours, &theirs).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (0.5, 0.5, 0.5));
        assert_eq!(super::ratio(&[Some(1.0)], &[Some(0.0)]), None);
        assert_eq!(super::ratio(&[Some(1.0)], &[]), None);
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let sorted: Vec<u32> = (1..=1000).collect();
        assert_eq!(percentile(&sorted, 0.5), Some(500));
        assert_eq!(percentile(&sorted, 0.99), Some(990));
        assert_eq!(percentile(&sorted, 0.999), Some(999));
        assert_eq!(percentile(&[7], 0.999), Some(7));
        assert_eq!(percentile::<u32>(&[], 0.5), None);
    }
}
