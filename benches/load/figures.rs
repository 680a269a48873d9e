//! What came of a run: spreads, bounds, and whether the machine was steady enough to judge by them.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{bail, ensure};
use serde::Serialize;

use super::data::Stored;

/// By how much the bare call may swing between rounds before the others mean nothing.
const STEADY: f64 = 1.6;

/// Median, least and most of the rounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    /// The one in the middle.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The most.
    pub(crate) most: f64,
}

impl Spread {
    /// The spread of at least one value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> anyhow::Result<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        // Of an even number of values the two in the middle share it.
        let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        match (values.get(lower), values.get(upper), values.first(), values.last()) {
            (Some(lower), Some(upper), Some(&least), Some(&most)) => {
                Ok(Self { median: f64::midpoint(*lower, *upper), least, most })
            }
            _ => bail!("nothing was measured"),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} ({:.3} .. {:.3})", self.median, self.least, self.most)
    }
}

/// What one variant came to.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was called.
    pub(crate) variant: String,
    /// Calls a second, as a ratio to the bare call's of the same round.
    pub(crate) to_hello: Spread,
    /// The same, to the signing floor's.
    pub(crate) to_signing: Spread,
    /// How long half of the calls took at most, in microseconds.
    pub(crate) p50_us: u32,
    /// How long 99 of 100 calls took at most.
    pub(crate) p99_us: u32,
}

/// What a figure must keep to.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    /// So much, or more.
    AtLeast(f64),
    /// Less than that.
    Below(f64),
}

/// A figure with its bound.
#[derive(Debug, Serialize)]
pub(crate) struct Bounded {
    /// What it is.
    pub(crate) what: String,
    /// Its unit; empty for a ratio.
    pub(crate) unit: &'static str,
    /// What was measured.
    pub(crate) measured: f64,
    /// What it must keep to.
    pub(crate) limit: Limit,
}

impl Bounded {
    fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtLeast(least) => self.measured >= least,
            Limit::Below(most) => self.measured < most,
        }
    }
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, unit, measured, limit } = self;
        let (words, limit) = match limit {
            Limit::AtLeast(least) => ("at least", least),
            Limit::Below(most) => ("less than", most),
        };
        let met = if self.is_met() { "met" } else { "NOT met" };
        write!(f, "{what}: {measured:.2}{unit}, bound {words} {limit}{unit}: {met}")
    }
}

/// What a service answered, and its database holds.
#[derive(Debug, Serialize)]
pub(crate) struct Kept {
    /// Which service.
    service: &'static str,
    /// What the database holds, as it was answered.
    stored: Stored,
}

impl Kept {
    /// Checks that everything that was answered with OK is stored, and nothing else.
    pub(crate) fn check(service: &'static str, answered: Stored, stored: Stored) -> anyhow::Result<Self> {
        ensure!(answered == stored, "{service}: answered was {answered:?}, stored is {stored:?}");
        Ok(Self { service, stored })
    }
}

/// What came of rounds with as many calls in flight.
#[derive(Debug, Serialize)]
pub(crate) struct Rounds {
    /// Connections and calls on each.
    pub(crate) in_flight: String,
    /// Rounds that counted.
    pub(crate) counted: u32,
    /// By how much the bare call swung between rounds.
    pub(crate) hello_swing: f64,
    /// The variants.
    pub(crate) variants: Vec<Row>,
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { in_flight, counted, hello_swing, variants } = self;
        writeln!(f, "{in_flight} calls in flight, {counted} rounds; the bare call swung by {hello_swing:.2} x")?;
        writeln!(f, "{:36}{:25}{:25}{:>8}{:>8}", "", "to hello", "to signing floor", "p50 us", "p99 us")?;
        for Row { variant, to_hello, to_signing, p50_us, p99_us } in variants {
            // Padding is for text.
            let (to_hello, to_signing) = (to_hello.to_string(), to_signing.to_string());
            writeln!(f, "{variant:36}{to_hello:25}{to_signing:25}{p50_us:>8}{p99_us:>8}")?;
        }
        Ok(())
    }
}

/// All that a run has to tell.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// A trial of the generator itself: it judges nothing.
    pub(crate) is_trial: bool,
    /// What was measured in rounds.
    pub(crate) runs: Vec<Rounds>,
    /// By how much a floor swung between rounds that stands in none of the runs.
    pub(crate) floor_swing: Option<f64>,
    /// The figures that have bounds.
    pub(crate) bounds: Vec<Bounded>,
    /// What was stored.
    pub(crate) kept: Vec<Kept>,
}

/// What the bounds say in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// All are met.
    Met,
    /// One is not.
    NotMet,
    /// The machine was too unsteady to tell.
    NotJudged,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Met => Self::SUCCESS,
            Verdict::NotMet => Self::FAILURE,
            Verdict::NotJudged => Self::from(3),
        }
    }
}

impl Report {
    /// Prints the report, and gives what it comes to.
    pub(crate) fn tell(&self, as_json: bool) -> anyhow::Result<Verdict> {
        let verdict = self.verdict();
        let mut out = io::stdout().lock();
        if as_json {
            serde_json::to_writer(&mut out, &Printed { verdict, report: self })?;
            writeln!(out)?;
        } else {
            write!(out, "{self}")?;
        }
        Ok(verdict)
    }

    fn verdict(&self) -> Verdict {
        if self.is_trial {
            Verdict::Met
        } else if self.unsteady().is_some() {
            Verdict::NotJudged
        } else if self.bounds.iter().all(Bounded::is_met) {
            Verdict::Met
        } else {
            Verdict::NotMet
        }
    }

    /// By how much the floor swung, if that was too much.
    fn unsteady(&self) -> Option<f64> {
        self.runs.iter().map(|run| run.hello_swing).chain(self.floor_swing).find(|swing| *swing > STEADY)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in &self.runs {
            writeln!(f, "{run}")?;
        }
        for Kept { service, stored: Stored { jumps, redeemed } } in &self.kept {
            writeln!(
                f,
                "{service}: {jumps} jumps and {redeemed} redemptions were answered, and all of them are stored"
            )?;
        }
        for bounded in &self.bounds {
            writeln!(f, "{bounded}")?;
        }
        if self.is_trial {
            writeln!(f, "NOT judged: this was a trial of the generator, its figures mean nothing.")?;
        } else if let Some(swing) = self.unsteady() {
            writeln!(
                f,
                "NOT judged: the floor itself swung by {swing:.2} x (at most {STEADY} x). Run it again on a quieter machine."
            )?;
        }
        Ok(())
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    verdict: Verdict,
    #[serde(flatten)]
    report: &'a Report,
}
