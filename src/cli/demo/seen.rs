//! What came of a step, and whether it is what the script says.

use std::collections::HashMap;

use tonic::Status;

use super::script::{Expected, Login};
use crate::cli::remote::{reason_of, wire_name};
use crate::proto::v1::{ErrorReason, ResolutionWay};

/// What came of a step.
pub(super) enum Seen {
    /// Something was set up or looked at.
    Done {
        /// What there is to see, for people.
        shown: Option<String>,
        /// What is not as it must be.
        wrong: Vec<String>,
    },
    /// A jump was made.
    Issued(Issued),
    /// A jump was redeemed.
    Redeemed(Redeemed),
    /// The service said no.
    Refused(Refused),
}

/// A jump, as the browser and an administrator see it.
pub(super) struct Issued {
    /// How the browser gets there, for people.
    pub(super) passage: String,
    /// What `ExplainJump` said just before.
    pub(super) explained: Explained,
}

/// What `ExplainJump` says of a jump.
pub(super) enum Explained {
    /// It would be made, by this way, with this con:center user.
    Resolved(ResolutionWay, String),
    /// It would be refused.
    Refused(ErrorReason),
}

/// What a target got. It has no `Debug`, and the password is not in it.
pub(super) struct Redeemed {
    pub(super) user_name: String,
    pub(super) subject: String,
    pub(super) end_customer: bool,
    pub(super) password: Password,
    /// Product providers that may be offered; `None` is all of them.
    pub(super) only: Option<Vec<String>>,
    /// Whether somebody else than the person is at the screen.
    pub(super) has_actor: bool,
}

/// What a target got of a password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Password {
    /// Nothing.
    None,
    /// The one that the administrator entered.
    AsEntered,
    /// Another one.
    Other,
}

/// A refusal.
pub(super) struct Refused {
    /// As it stands on the wire; `None` if the answer is not one of ours.
    pub(super) reason: Option<String>,
    /// Code and text, for people.
    pub(super) text: String,
    /// What `ExplainJump` said just before, of a jump.
    pub(super) explained: Option<Explained>,
    /// What else is not as it must be.
    pub(super) wrong: Vec<String>,
}

impl From<&Status> for Refused {
    fn from(status: &Status) -> Self {
        let text = format!("{:?}: {}", status.code(), status.message());
        Self { reason: reason_of(status), text, explained: None, wrong: Vec::new() }
    }
}

impl Seen {
    /// The outcome, as the machine-readable form spells it.
    pub(super) const fn outcome(&self) -> &'static str {
        match self {
            Self::Done { .. } => "ok",
            Self::Issued(_) => "issued",
            Self::Redeemed(_) => "redeemed",
            Self::Refused(_) => "refused",
        }
    }
}

/// What differs from what was expected; empty if it came out as told. `subjects` are those of earlier steps, by name.
pub(super) fn differences(expected: &Expected, seen: &Seen, subjects: &HashMap<&str, String>) -> Vec<String> {
    match (expected, seen) {
        (Expected::Done, Seen::Done { wrong, .. }) => wrong.clone(),
        (Expected::Issued(way), Seen::Issued(issued)) => way_differences(*way, &issued.explained),
        (Expected::Redeemed(login), Seen::Redeemed(redeemed)) => login_differences(login, redeemed, subjects),
        (Expected::Refused(reason), Seen::Refused(refused)) => refusal_differences(*reason, refused),
        (_, Seen::Refused(refused)) => {
            let reason = refused.reason.as_deref().unwrap_or("no reason of ours");
            vec![format!("expected {}, was refused with {reason} ({})", expected.outcome(), refused.text)]
        }
        (_, other) => vec![format!("expected {}, was {}", expected.outcome(), other.outcome())],
    }
}

impl Expected {
    const fn outcome(&self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Issued(_) => "issued",
            Self::Redeemed(_) => "redeemed",
            Self::Refused(_) => "refused",
        }
    }
}

fn way_differences(expected: ResolutionWay, explained: &Explained) -> Vec<String> {
    match explained {
        Explained::Resolved(way, _) if *way == expected => Vec::new(),
        Explained::Resolved(way, _) => {
            vec![format!("expected the way {}, was {}", expected.as_str_name(), way.as_str_name())]
        }
        Explained::Refused(reason) => {
            vec![format!("the jump was made, but its explanation says {}", wire_name(*reason))]
        }
    }
}

fn refusal_differences(expected: ErrorReason, refused: &Refused) -> Vec<String> {
    let mut wrong = refused.wrong.clone();
    let expected_name = wire_name(expected);
    if refused.reason.as_deref() != Some(expected_name) {
        let reason = refused.reason.as_deref().unwrap_or("no reason of ours");
        wrong.push(format!("expected the reason {expected_name}, was {reason} ({})", refused.text));
    }
    match &refused.explained {
        None => {}
        Some(Explained::Refused(reason)) if *reason == expected => {}
        Some(Explained::Refused(reason)) => {
            wrong.push(format!("the explanation gives another reason: {}", wire_name(*reason)));
        }
        Some(Explained::Resolved(..)) => wrong.push("the explanation says that the jump would be made".to_owned()),
    }
    wrong
}

fn login_differences(login: &Login, redeemed: &Redeemed, subjects: &HashMap<&str, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    if redeemed.user_name != login.user.name {
        wrong.push(format!("expected the con:center user {}, was {}", login.user.name, redeemed.user_name));
    }
    if redeemed.end_customer != login.end_customer {
        wrong.push(format!("expected end_customer {}, was {}", login.end_customer, redeemed.end_customer));
    }
    let only = redeemed.only.as_deref().unwrap_or_default();
    if redeemed.only.is_some() == login.user.only.is_empty() || only != login.user.only {
        wrong.push("the scope of product providers is not that of the con:center user".to_owned());
    }
    let password = if login.password { Password::AsEntered } else { Password::None };
    if redeemed.password != password {
        wrong.push("the password was handed over wrongly, or not at all, or to a target that gets none".to_owned());
    }
    for other in login.stranger_to {
        match subjects.get(other) {
            Some(subject) if *subject != redeemed.subject => {}
            Some(_) => wrong.push(format!("sub is the same as in {other}")),
            None => wrong.push(format!("{other} gave no sub to compare with")),
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::script::ROW_4;

    const LOGIN: Login = Login { user: &ROW_4, end_customer: true, password: true, stranger_to: &["before"] };

    fn redeemed() -> Redeemed {
        Redeemed {
            user_name: ROW_4.name.to_owned(),
            subject: "two".to_owned(),
            end_customer: true,
            password: Password::AsEntered,
            only: Some(ROW_4.only.iter().map(|id| (*id).to_owned()).collect()),
            has_actor: false,
        }
    }

    fn wrong(redeemed: Redeemed, subject_before: &str) -> usize {
        let subjects = HashMap::from([("before", subject_before.to_owned())]);
        differences(&Expected::Redeemed(LOGIN), &Seen::Redeemed(redeemed), &subjects).len()
    }

    fn refused(reason: &str) -> Refused {
        Refused { reason: Some(reason.to_owned()), text: String::new(), explained: None, wrong: Vec::new() }
    }

    #[test]
    fn a_login_as_told_has_no_differences() {
        assert_eq!(wrong(redeemed(), "one"), 0);
    }

    #[test]
    fn every_part_of_a_login_is_looked_at() {
        assert_eq!(wrong(Redeemed { user_name: "other".to_owned(), ..redeemed() }, "one"), 1);
        assert_eq!(wrong(Redeemed { end_customer: false, ..redeemed() }, "one"), 1);
        assert_eq!(wrong(Redeemed { password: Password::None, ..redeemed() }, "one"), 1);
        assert_eq!(wrong(Redeemed { password: Password::Other, ..redeemed() }, "one"), 1);
        assert_eq!(wrong(Redeemed { only: None, ..redeemed() }, "one"), 1);
        assert_eq!(wrong(Redeemed { only: Some(Vec::new()), ..redeemed() }, "one"), 1);
        assert_eq!(wrong(redeemed(), "two"), 1);
    }

    #[test]
    fn a_sub_that_cannot_be_compared_is_a_difference() {
        let seen = Seen::Redeemed(redeemed());
        assert_eq!(differences(&Expected::Redeemed(LOGIN), &seen, &HashMap::new()).len(), 1);
    }

    #[test]
    fn a_refusal_for_another_reason_is_a_difference() {
        let expected = Expected::Refused(ErrorReason::ProviderNotAllowed);
        let differences = |refused| differences(&expected, &Seen::Refused(refused), &HashMap::new()).len();
        assert_eq!(differences(refused("PROVIDER_NOT_ALLOWED")), 0);
        assert_eq!(differences(refused("ROLE")), 1);
        assert_eq!(differences(Refused { reason: None, ..refused("") }), 1);
        let explained = Some(Explained::Resolved(ResolutionWay::Activation, String::new()));
        assert_eq!(differences(Refused { explained, ..refused("PROVIDER_NOT_ALLOWED") }), 1);
    }

    #[test]
    fn another_outcome_is_a_difference() {
        let expected = Expected::Issued(ResolutionWay::Activation);
        for seen in
            [Seen::Done { shown: None, wrong: Vec::new() }, Seen::Redeemed(redeemed()), Seen::Refused(refused("ROLE"))]
        {
            assert_eq!(differences(&expected, &seen, &HashMap::new()).len(), 1);
        }
    }
}
