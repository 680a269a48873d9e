//! What an administrator can do about a rule that refuses: one sentence for each rule and reason.

use crate::api::status;
use crate::domain::error::Reason;
use crate::domain::resolve::Rule;

/// What can be done about `rule`, which refused for `reason`. `names_activation`: whether the request names an activation, since
/// one that is not the broker's is as good as none.
#[expect(clippy::too_many_lines, reason = "one table, a sentence for each")]
pub(super) fn advice(rule: Rule, reason: Reason, names_activation: bool) -> &'static str {
    match (rule, reason) {
        (Rule::TenantActive, _) => "the tenant is stopped, and so are all of its jumps: ask the operator",
        (Rule::TargetKind, Reason::InsurerPortalForbidden) => {
            "customers never get an insurer's portal: have the portal link them to a tariff calculator"
        }
        (Rule::TargetKind, _) => {
            "the target is of the other kind: have the portal call the other method, or another target"
        }
        (Rule::TargetEnabled, _) => "the target is disabled: choose another one, or ask the operator to enable it",
        (Rule::ProviderEnabled, _) => {
            "the product provider of the target is disabled: choose a target of another one, or ask the operator"
        }
        (Rule::NamedProviderEnabled, _) => {
            "the product provider that is named is disabled: name another one or none, or ask the operator"
        }
        (Rule::TargetTakesPerson, _) => {
            "the target does not take people of this kind: choose one that takes brokers, or customers, as this one is"
        }
        (Rule::TargetLineOfBusiness, _) => {
            "the target does not take this line of business: name another one, or another target"
        }
        (Rule::Activation, Reason::AmbiguousActivation) => {
            "the broker has activations with different con:center users: have the portal name the one that is meant"
        }
        (Rule::Activation, Reason::ActivationDisabled) => {
            "the broker's activation is disabled: enable it, or activate another con:center user for him"
        }
        (Rule::Activation, _) if names_activation => {
            "the activation that is named is none of this broker's: name one of his, or add him to it"
        }
        (Rule::Activation, _) => "the broker is in no activation: activate a con:center user for him",
        (Rule::Segment, Reason::SegmentMismatch) => {
            "the portal states another segment than the customer's record has: correct the one that is wrong"
        }
        (Rule::Segment, _) => "nobody has said whether the customer is private or commercial: put his record",
        (Rule::FallbackAllowed, _) => {
            "commercial customers have no shared con:center user: set one, or let them use that of private customers"
        }
        (Rule::SharedPrivateUser, _) => {
            "private customers have no shared con:center user: set one, or give this customer one of his own"
        }
        (Rule::UserNotStandard, _) => {
            "the user that is assigned is the Standard one, for transfers only: assign another con:center user"
        }
        (Rule::UserKindFits, Reason::EndkundeConflict) => {
            "the user of the activation is marked Endkunde, for customers only: give the activation another one"
        }
        (Rule::UserKindFits, _) => {
            "the user that is assigned is not marked Endkunde: mark it, or give the customers one that is"
        }
        (Rule::UserReportedEndCustomer, _) => {
            "con:center says that the user is no Endkunde: tick Endkunde there, and attest it here"
        }
        (Rule::UserActive, _) => "the user that is assigned is disabled: enable it, or assign another one",
        (Rule::UserHasSecret, _) => "the user that is assigned has no password: set the one that it has at con:center",
        (Rule::UserCredentialTrusted, _) => {
            "logins with the password of the user failed again and again: set the one that it has at con:center"
        }
        (Rule::ProviderInScope, _) => {
            "the product provider of the target is out of the user's scope: extend the scope, or choose another target"
        }
        (Rule::NamedProviderInScope, _) => {
            "the product provider that is named is out of the user's scope: extend the scope, or name another one"
        }
        // They lead on, and never refuse.
        (Rule::OwnUser | Rule::SharedCommercialUser, reason) => status::advice(reason),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rule_and_reason_has_a_sentence_of_its_own() {
        let pairs = Rule::ALL.iter().flat_map(|rule| rule.reasons().iter().map(move |reason| (*rule, *reason)));
        let mut sentences: Vec<_> = pairs.map(|(rule, reason)| advice(rule, reason, false)).collect();
        sentences.push(advice(Rule::Activation, Reason::NoUserAssigned, true));
        let different: BTreeSet<_> = sentences.iter().collect();
        assert_eq!(different.len(), sentences.len(), "{sentences:#?}");
        for sentence in sentences {
            assert!(sentence.contains(": ") || sentence.contains(", "), "what can be done: {sentence}");
            assert!(!sentence.contains("listed"), "nothing is listed beside a step: {sentence}");
        }
    }

    #[test]
    fn every_rule_is_among_all_of_them_once() {
        let all: BTreeSet<_> = Rule::ALL.iter().map(|rule| *rule as u8).collect();
        assert_eq!(all, (0..=Rule::NamedProviderInScope as u8).collect());
        assert_eq!(all.len(), Rule::ALL.len());
    }
}
