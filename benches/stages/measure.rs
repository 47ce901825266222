//! Running one operation many times so that it can be counted.

use std::hint::black_box;
use std::time::Instant;

/// What a stage is run for.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// Callgrind watches: few times, counted inside [`measured_operation`].
    Count,
    /// A clock is read around many.
    Time,
}

/// Operations before the first one that counts: whatever is only done once has been done.
const WARM: u32 = 64;

/// Runs the operation `times` times, each on an input of its own that is not counted. The answer is how often it was run
/// inside [`measured_operation`], or with [`Mode::Time`] the nanoseconds of one.
pub(crate) fn each<I, O>(
    mode: Mode,
    times: u32,
    mut prepare: impl FnMut(u32) -> I,
    mut run: impl FnMut(I) -> O,
) -> f64 {
    for n in 0..WARM.min(times) {
        drop(black_box(run(prepare(n))));
    }
    match mode {
        Mode::Count => {
            for n in 0..times {
                let input = prepare(n);
                drop(measured_operation(&mut run, input));
            }
            times.into()
        }
        Mode::Time => (0..7).map(|_| nanos(times, &mut prepare, &mut run)).fold(f64::INFINITY, f64::min),
    }
}

/// Everything in here is counted. Outputs are dropped outside: mostly they are inputs, changed.
#[inline(never)]
fn measured_operation<I, O>(run: &mut impl FnMut(I) -> O, input: I) -> O {
    black_box(run(black_box(input)))
}

/// Inputs are made in batches outside the clock's view.
fn nanos<I, O>(times: u32, prepare: &mut impl FnMut(u32) -> I, run: &mut impl FnMut(I) -> O) -> f64 {
    let mut took = std::time::Duration::ZERO;
    let rounds = (200_000 / times.max(1)).max(1);
    for _ in 0..rounds {
        let inputs: Vec<I> = (0..times).map(&mut *prepare).collect();
        let mut outputs = Vec::with_capacity(inputs.len());
        let began = Instant::now();
        for input in inputs {
            outputs.push(run(black_box(input)));
        }
        took += began.elapsed();
        drop(black_box(outputs));
    }
    took.as_secs_f64() * 1e9 / (f64::from(rounds) * f64::from(times))
}
