//! What pages say to people, in each language.

use super::language::Language;

/// What a page says, whatever it is about.
pub(super) struct Texts {
    /// Before the name of the target.
    pub(super) heading: &'static str,
    pub(super) heading_missing: &'static str,
    pub(super) heading_unavailable: &'static str,
    /// Until the script has begun, so for good where there is none.
    pub(super) waiting: &'static str,
    pub(super) leaving: &'static str,
    pub(super) stuck: &'static str,
    pub(super) go_on: &'static str,
    pub(super) expired: &'static str,
    pub(super) spent: &'static str,
    pub(super) blocked: &'static str,
    pub(super) closed: &'static str,
    pub(super) start_again: &'static str,
    pub(super) try_later: &'static str,
    pub(super) to_portal: &'static str,
    pub(super) back: &'static str,
}

impl Texts {
    /// Those of a language.
    pub(super) const fn of(language: Language) -> &'static Self {
        match language {
            Language::German => &GERMAN,
            Language::English => &ENGLISH,
        }
    }
}

const GERMAN: Texts = Texts {
    heading: "Weiter zu",
    heading_missing: "Diese Seite gibt es nicht",
    heading_unavailable: "Zurzeit nicht erreichbar",
    waiting: "Ohne JavaScript und einen Browser von 2022 oder neuer geht es hier nicht weiter: Nur ein Skript dieser Seite kann \
              den Einmal-Link übergeben. Bitte schalten Sie JavaScript für diese Seite ein, oder nehmen Sie einen neueren \
              Browser, und starten Sie dann im Portal neu.",
    leaving: "Sie werden weitergeleitet …",
    stuck: "Die Weiterleitung hat nicht von selbst begonnen.",
    go_on: "Weiter",
    expired: "Dieser Link ist abgelaufen. Bitte starten Sie im Portal neu.",
    spent: "Dieser Link wurde schon benutzt oder ist unvollständig. Bitte starten Sie im Portal neu.",
    blocked: "Das Ziel hat an eine Adresse weitergeleitet, die dafür nicht eingetragen ist. Bitte melden Sie das Ihrem \
              Ansprechpartner.",
    closed: "Dieses Ziel ist zurzeit abgeschaltet. Bitte versuchen Sie es später noch einmal im Portal.",
    start_again: "Vielleicht ist der Link unvollständig. Bitte starten Sie im Portal neu.",
    try_later: "Bitte starten Sie in einem Augenblick im Portal neu.",
    to_portal: "Zurück zum Portal",
    back: "Zurück",
};

const ENGLISH: Texts = Texts {
    heading: "On to",
    heading_missing: "There is no such page",
    heading_unavailable: "Not available at the moment",
    waiting: "This page cannot go on without JavaScript and a browser of 2022 or later: only a script of this page can hand the \
              one-time link over. Please switch JavaScript on for this page, or take a newer browser, and then start again in \
              the portal.",
    leaving: "You are being forwarded …",
    stuck: "Forwarding did not begin by itself.",
    go_on: "Continue",
    expired: "This link has expired. Please start again in the portal.",
    spent: "This link was used already or is incomplete. Please start again in the portal.",
    blocked: "The destination redirected to an address that is not registered for it. Please tell your contact person.",
    closed: "This destination is switched off at the moment. Please try again later in the portal.",
    start_again: "The link may be incomplete. Please start again in the portal.",
    try_later: "Please start again in the portal in a moment.",
    to_portal: "Back to the portal",
    back: "Back",
};
