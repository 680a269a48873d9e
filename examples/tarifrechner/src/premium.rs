//! The tariff: an invented premium for a car. Whole numbers only, so that the same input always costs the same.

/// Cents a year that everybody pays.
const BASE: u32 = 31_200;
/// Cents for each 1 000 km a year.
const PER_1000_KM: u32 = 840;
/// Cents that drivers below [`YOUNG`] pay more.
const YOUNG_SURCHARGE: u32 = 21_800;
/// Below this age, in years, somebody is young.
const YOUNG: u8 = 25;
/// Cents less for each year without a claim.
const PER_CLAIM_FREE_YEAR: u32 = 1_150;
/// Least cents a year.
const LEAST: u32 = 9_600;

/// Most kilometres a year that are insured here.
pub(crate) const MOST_KM: u32 = 100_000;
/// Ages that are insured here, in years.
pub(crate) const AGES: std::ops::RangeInclusive<u8> = 17..=99;
/// Most years without a claim that count.
pub(crate) const MOST_CLAIM_FREE_YEARS: u8 = 35;

/// What the premium depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Risk {
    /// Kilometres a year, 1 to [`MOST_KM`].
    pub(crate) km: u32,
    /// Age of the youngest driver in years, within [`AGES`].
    pub(crate) age: u8,
    /// Years without a claim, 0 to [`MOST_CLAIM_FREE_YEARS`].
    pub(crate) claim_free_years: u8,
}

/// The premium in cents a year. `place` is that of the product provider in the list of the calculator: each next one is
/// 3 % dearer.
pub(crate) fn premium(risk: Risk, place: usize) -> u32 {
    let surcharge = if risk.age < YOUNG { YOUNG_SURCHARGE } else { 0 };
    let gross = BASE + risk.km.div_ceil(1000) * PER_1000_KM + surcharge;
    let net = gross.saturating_sub(u32::from(risk.claim_free_years) * PER_CLAIM_FREE_YEAR).max(LEAST);
    let percent = 100 + 3 * u32::try_from(place).unwrap_or(u32::MAX).min(100);
    net * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_premium_follows_the_risk() {
        let usual = Risk { km: 12_000, age: 40, claim_free_years: 5 };
        assert_eq!(premium(usual, 0), 35_530);
        assert_eq!(premium(usual, 1), 36_595);
        assert_eq!(premium(Risk { age: 24, ..usual }, 0), 57_330);
        assert_eq!(premium(Risk { km: 12_001, ..usual }, 0), 36_370);
        assert_eq!(premium(Risk { km: 1, age: 99, claim_free_years: 35 }, 0), LEAST);
        let dearest = Risk { km: MOST_KM, age: 17, claim_free_years: 0 };
        assert_eq!(premium(dearest, usize::MAX), 548_000);
    }
}
