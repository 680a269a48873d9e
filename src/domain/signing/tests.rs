//! The life of keys: a table of instants, and what must hold of any rows at any instant.

use proptest::prelude::*;

use super::*;

const SPAN: Duration = Duration::from_secs(10);
const FAST: Rotation = Rotation { life: SPAN, ahead: Duration::from_secs(4), published: Duration::from_secs(2) };

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_seconds(second)
}

fn id(number: usize) -> KeyId {
    KeyId::parse(&format!("{number:043}")).unwrap()
}

fn key(activate_at: i64) -> KeyTimes {
    KeyTimes::new(at(0), at(activate_at))
}

fn revoked(activate_at: i64, revoked_at: i64) -> KeyTimes {
    KeyTimes { revoked_at: Some(at(revoked_at)), ..key(activate_at) }
}

/// The states of keys with these instants, whose ids sort as they stand here.
fn states(times: &[KeyTimes], now: Timestamp) -> Vec<KeyState> {
    with_ids(times, |rows| lives(KeyPurpose::Jump, rows).iter().map(|life| life.state(now)).collect())
}

fn with_ids<T>(times: &[KeyTimes], of: impl FnOnce(&[KeyRow<'_>]) -> T) -> T {
    let ids: Vec<_> = (0..times.len()).map(id).collect();
    of(&ids.iter().zip(times.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn a_key_is_next_then_current_then_retired_then_removed() {
    use KeyState::{Current, Next, Removed, Retired};
    let keys = [key(0), key(100), key(2_000)];
    for (second, expected) in [
        (0, [Current, Next, Next]),
        (99, [Current, Next, Next]),
        (100, [Retired, Current, Next]),
        (999, [Retired, Current, Next]),
        (1_000, [Removed, Current, Next]),
        (2_000, [Removed, Retired, Current]),
        (1_000_000, [Removed, Removed, Current]),
    ] {
        assert_eq!(states(&keys, at(second)), expected, "{second}");
    }
}

#[test]
fn a_key_of_callers_is_retired_for_a_day_more() {
    let keys = [key(0), key(100)];
    let retired = |now| with_ids(&keys, |rows| lives(KeyPurpose::Caller, rows)[0].verifies(now));
    assert!(retired(at(100 + 24 * 3_600 + 899)));
    assert!(!retired(at(100 + 24 * 3_600 + 900)));
}

#[test]
fn the_first_key_signs_since_ever() {
    assert_eq!(states(&[key(1_000), key(2_000)], at(0)), [KeyState::Current, KeyState::Next]);
}

#[test]
fn a_revoked_key_is_that_at_every_instant_and_its_time_is_nobodys() {
    use KeyState::{Current, Next, Retired, Revoked};
    let keys = [key(0), revoked(100, 150), key(200)];
    assert_eq!(states(&keys, at(50)), [Current, Revoked, Next]);
    assert_eq!(states(&keys, at(160)), [Retired, Revoked, Next], "nobody signs: whoever revokes sees to it");
    assert_eq!(states(&keys, at(200)), [Retired, Revoked, Current]);
    let never_signed = [key(0), revoked(100, 50), key(200)];
    assert_eq!(states(&never_signed, at(160)), [Current, Revoked, Next]);
}

#[test]
fn an_heir_is_needed_only_where_nobody_signs() {
    let of = |times: &[KeyTimes], second| with_ids(times, |rows| heir(KeyPurpose::Jump, rows, at(second)));
    assert_eq!(of(&[key(0), revoked(100, 50)], 50), Heir::Unchanged);
    assert_eq!(of(&[revoked(0, 150), key(100)], 150), Heir::Unchanged);
    assert_eq!(of(&[revoked(0, 50)], 50), Heir::New);
    assert_eq!(of(&[key(0), revoked(100, 150)], 150), Heir::New, "one that was replaced does not come back");
    assert_eq!(of(&[key(0), revoked(100, 150), key(300), key(200)], 150), Heir::Next(id(3)));
}

#[test]
fn the_next_key_is_due_once_when_the_time_of_the_newest_is_nearly_over() {
    let due = |times: &[KeyTimes], second| with_ids(times, |rows| FAST.due(rows, at(second)));
    assert_eq!(due(&[key(0)], 5), None);
    assert_eq!(due(&[key(0)], 6), Some(Due { after: at(0), activate_at: at(10) }));
    assert_eq!(due(&[key(0)], 60), Some(Due { after: at(0), activate_at: at(64) }), "no shorter for being late");
    assert_eq!(due(&[key(0), key(10)], 6), None);
    assert_eq!(due(&[key(0), revoked(10, 6)], 6), Some(Due { after: at(0), activate_at: at(10) }));
    assert_eq!(due(&[], 6), None);
}

#[test]
fn in_the_place_of_a_lost_key_one_is_made_at_once_and_once() {
    let due = |times: &[KeyTimes]| with_ids(times, |rows| FAST.due_after_loss(rows, at(1)));
    assert_eq!(due(&[key(0)]), Some(Due { after: at(0), activate_at: FAST.soonest(at(1), at(1)) }));
    assert_eq!(due(&[key(0), key(3)]), None);
}

#[test]
fn a_key_that_is_asked_for_is_published_long_enough_and_heard_of_by_everybody() {
    let usual = Rotation::of(KeyDays::DEFAULT);
    assert_eq!(usual.soonest(at(0), at(0)), at(605));
    assert_eq!(usual.soonest(at(0), at(600)), at(610));
    assert_eq!(usual.soonest(at(0), at(10_000)), at(10_010));
}

#[test]
fn what_should_have_changed_long_ago_is_late() {
    let day = 24 * 3_600;
    let late = |times: &[KeyTimes], second| {
        with_ids(times, |rows| Rotation::of(KeyDays::DEFAULT).is_late(KeyPurpose::Jump, rows, at(second)))
    };
    assert!(!late(&[key(0)], 35 * day - 1));
    assert!(late(&[key(0)], 35 * day));
    assert!(!late(&[key(0), key(30 * day)], 35 * day));
    assert!(late(&[revoked(0, 1)], 1), "nobody signs");
}

#[test]
fn days_are_2_to_90() {
    assert_eq!(["2", "90"].map(|days| KeyDays::parse(days).map(KeyDays::number)), [Ok(2), Ok(90)]);
    for bad in ["", "1", "91", "-2", "2.5", "x"] {
        assert_eq!(KeyDays::parse(bad), Err(InvalidKeyDays), "{bad}");
    }
}

#[test]
fn the_spans_hold_together() {
    let longest_token = crate::domain::jump::TokenLife::LONGEST.span();
    assert!(KeyPurpose::Jump.retired_for() >= longest_token + CLOCK_LEEWAY + JWKS_MAX_AGE);
    assert_eq!(PUBLISHED_BEFORE, 2 * JWKS_MAX_AGE + CLOCK_LEEWAY);
    for days in ["2", "30", "90"] {
        let Rotation { life, ahead, published } = Rotation::of(KeyDays::parse(days).unwrap());
        assert!(published <= ahead && ahead <= life, "{days}");
    }
}

#[test]
fn an_id_is_43_characters_of_base64url() {
    assert!(KeyId::parse(&"-_aZ0".repeat(9)[..43]).is_ok());
    for bad in ["", "x", &"x".repeat(42), &"x".repeat(44), &"+".repeat(43), &"ä".repeat(43)] {
        assert_eq!(KeyId::parse(bad), Err(InvalidKeyId), "{bad}");
    }
}

fn any_times() -> impl Strategy<Value = KeyTimes> {
    let revoked = prop_oneof![3 => Just(None), 1 => (0..3_000_i64).prop_map(Some)];
    (0..3_000_i64, revoked).prop_map(|(activate, revoked)| KeyTimes { revoked_at: revoked.map(at), ..key(activate) })
}

fn any_rows() -> impl Strategy<Value = Vec<KeyTimes>> {
    prop::collection::vec(any_times(), 0..8)
}

proptest! {
    #[test]
    fn at_most_one_key_signs_whatever_the_rows_and_the_instant(rows in any_rows(), now in -10..6_000_i64) {
        let current = states(&rows, at(now)).into_iter().filter(|state| *state == KeyState::Current).count();
        prop_assert!(current <= 1);
        let unrevoked = rows.iter().all(|times| times.revoked_at.is_none());
        prop_assert!(!unrevoked || rows.is_empty() || current == 1, "somebody signs unless somebody was revoked");
    }

    #[test]
    fn the_order_of_the_rows_says_nothing(rows in any_rows(), now in -10..6_000_i64, turned in any::<prop::sample::Index>()) {
        let ids: Vec<_> = (0..rows.len()).map(id).collect();
        let rows: Vec<_> = ids.iter().zip(rows).collect();
        let mut others = rows.clone();
        if !others.is_empty() {
            let by = turned.index(others.len());
            others.rotate_left(by);
        }
        let states = |rows: &[KeyRow<'_>]| {
            let lives = lives(KeyPurpose::Jump, rows);
            let mut states: Vec<_> = rows.iter().zip(lives).map(|((id, _), life)| ((*id).clone(), life.state(at(now)))).collect();
            states.sort_by(|one, other| one.0.cmp(&other.0));
            states
        };
        prop_assert_eq!(states(&rows), states(&others));
    }

    #[test]
    fn no_key_goes_back_in_its_life(rows in any_rows(), now in -10..6_000_i64, later in 0..6_000_i64) {
        let place = |state| match state {
            KeyState::Next => 0,
            KeyState::Current => 1,
            KeyState::Retired => 2,
            KeyState::Removed => 3,
            KeyState::Revoked => 4,
        };
        for (before, after) in states(&rows, at(now)).into_iter().zip(states(&rows, at(now + later))) {
            prop_assert!(place(before) <= place(after), "{before:?} {after:?}");
            prop_assert_eq!(before == KeyState::Revoked, after == KeyState::Revoked);
        }
    }

    /// Whatever the current key signs is accepted as long as a token lives and a clock may be off, on either side.
    #[test]
    fn what_is_signed_is_accepted_until_it_is_over(rows in any_rows(), now in 0..6_000_i64, age in -5..=125_i64) {
        with_ids(&rows, |rows| {
            for life in lives(KeyPurpose::Jump, rows) {
                if life.state(at(now)) == KeyState::Current {
                    prop_assert!(life.verifies(at(now + age)));
                }
            }
            Ok(())
        })?;
    }

    /// A key that is added for what is due changes nothing of what is past, and nothing more is due then.
    #[test]
    fn what_is_due_is_made_once_and_ahead(rows in any_rows(), now in 0..6_000_i64) {
        let Some(due) = with_ids(&rows, |rows| FAST.due(rows, at(now))) else { return Ok(()) };
        prop_assert!(due.activate_at >= at(now).plus(FAST.published) && due.after <= at(now));
        let before = states(&rows, at(now));
        let mut more = rows.clone();
        more.push(KeyTimes::new(at(now), due.activate_at));
        prop_assert_eq!(&states(&more, at(now))[..rows.len()], &before[..]);
        prop_assert_eq!(with_ids(&more, |rows| FAST.due(rows, at(now))), None);
    }

    /// After every revocation somebody signs, once its heir is in its place.
    #[test]
    fn after_a_revocation_somebody_signs(rows in any_rows(), now in 0..3_000_i64, which in any::<prop::sample::Index>()) {
        prop_assume!(!rows.is_empty());
        // Nobody has revoked later than now.
        let mut rows: Vec<_> = rows.into_iter().filter(|times| times.revoked_at.is_none_or(|at_| at_ <= at(now))).collect();
        prop_assume!(!rows.is_empty());
        let which = which.index(rows.len());
        rows[which].revoked_at.get_or_insert(at(now));
        match with_ids(&rows, |rows| heir(KeyPurpose::Jump, rows, at(now))) {
            Heir::Unchanged => {}
            Heir::Next(next) => {
                let place = (0..rows.len()).find(|place| id(*place) == next).unwrap();
                prop_assert!(rows[place].activate_at > at(now));
                rows[place].activate_at = at(now);
            }
            // It has the greatest id.
            Heir::New => rows.push(KeyTimes::new(at(now), at(now))),
        }
        let current = states(&rows, at(now)).into_iter().filter(|state| *state == KeyState::Current).count();
        prop_assert_eq!(current, 1);
    }
}
