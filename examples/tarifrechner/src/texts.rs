//! Everything that people read, in both languages, in one place.

use crate::gateway::Person;
use crate::language::Language;
use crate::proto::ActorRole;
use crate::session::Why;

/// A page that tells one thing: why it does not go on, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The jump is not for this place.
    LinkInvalid,
    /// The jump was used.
    LinkUsed,
    /// The jump is too old.
    LinkExpired,
    /// What the jump rests on has changed.
    LinkRevoked,
    /// The password does not open or is not taken.
    Password,
    /// The gateway handed nothing over.
    RedeemUnavailable,
    /// The form came from a place that is not known.
    ForeignOrigin,
    /// The form cannot be read.
    FormUnreadable,
    /// There are too many sessions or quotes.
    Full,
    /// The browser has no session.
    NoSession,
    /// The session ended.
    Ended(Why),
    /// Nobody knows whether the session may go on.
    Uncertain,
    /// The form is of an earlier session.
    StaleForm,
    /// The product provider may not be offered.
    ProviderNotOffered,
    /// There is no such page, or it is somebody else's.
    NotFound,
    /// The page is not for this method.
    WrongMethod,
    /// The person went away, and there was no way back.
    Left,
    /// A defect of ours.
    Broken,
}

impl Notice {
    /// Its heading and what to do.
    #[expect(clippy::too_many_lines, reason = "one table, both languages of each notice")]
    pub(crate) const fn texts(self, language: Language) -> (&'static str, &'static str) {
        let (german, english) = match self {
            Self::LinkInvalid => (
                ("Dieser Link funktioniert hier nicht.", "Bitte starten Sie im Portal erneut."),
                ("This link does not work here.", "Please start again in the portal."),
            ),
            Self::LinkUsed => (
                ("Dieser Link wurde schon benutzt.", "Bitte starten Sie im Portal erneut."),
                ("This link was used.", "Please start again in the portal."),
            ),
            Self::LinkExpired => (
                ("Dieser Link ist abgelaufen.", "Bitte starten Sie im Portal erneut."),
                ("This link has expired.", "Please start again in the portal."),
            ),
            Self::LinkRevoked => (
                ("Dieser Link gilt nicht mehr.", "Bitte starten Sie im Portal erneut."),
                ("This link is no longer valid.", "Please start again in the portal."),
            ),
            Self::Password => (
                ("Die Anmeldung war nicht möglich.", "Bitte rufen Sie Ihren Vermittler an."),
                ("You could not be logged in.", "Please call your broker."),
            ),
            Self::RedeemUnavailable => (
                ("Das hat gerade nicht geklappt.", "Bitte starten Sie im Portal erneut."),
                ("That did not work just now.", "Please start again in the portal."),
            ),
            Self::ForeignOrigin => (
                ("Dieser Aufruf kam von einer unbekannten Seite.", "Bitte starten Sie im Portal erneut."),
                ("This call came from an unknown page.", "Please start again in the portal."),
            ),
            Self::FormUnreadable => (
                ("Dieser Aufruf ist unvollständig.", "Bitte starten Sie im Portal erneut."),
                ("This call is incomplete.", "Please start again in the portal."),
            ),
            Self::Full => (
                ("Der Tarifrechner ist gerade ausgelastet.", "Bitte versuchen Sie es später erneut."),
                ("The calculator is busy just now.", "Please try again later."),
            ),
            Self::NoSession => (
                ("Sie sind nicht angemeldet.", "Bitte öffnen Sie den Tarifrechner aus Ihrem Portal."),
                ("You are not logged in.", "Please open the calculator from your portal."),
            ),
            Self::Ended(Why::Idle) => (
                (
                    "Ihre Sitzung ist beendet.",
                    "Sie waren längere Zeit nicht aktiv. Bitte starten Sie im Portal erneut.",
                ),
                ("Your session has ended.", "You were not active for some time. Please start again in the portal."),
            ),
            Self::Ended(Why::Absolute) => (
                ("Ihre Sitzung ist beendet.", "Ihre Zeit ist abgelaufen. Bitte starten Sie im Portal erneut."),
                ("Your session has ended.", "Its time is over. Please start again in the portal."),
            ),
            Self::Ended(Why::Revoked) => (
                ("Ihre Sitzung ist beendet.", "Sie wurde vom Portal beendet. Bitte starten Sie dort erneut."),
                ("Your session has ended.", "The portal ended it. Please start again there."),
            ),
            Self::Uncertain => (
                ("Ihre Sitzung lässt sich gerade nicht prüfen.", "Bitte laden Sie die Seite in einem Moment neu."),
                ("Your session cannot be checked just now.", "Please reload the page in a moment."),
            ),
            Self::StaleForm => (
                ("Diese Seite gehört zu einer früheren Sitzung.", "Bitte öffnen Sie den Tarifrechner neu."),
                ("This page belongs to an earlier session.", "Please open the calculator again."),
            ),
            Self::ProviderNotOffered => (
                ("Dieser Produktgeber wird Ihnen nicht angeboten.", "Bitte wählen Sie einen anderen."),
                ("This product provider is not offered to you.", "Please choose another one."),
            ),
            Self::NotFound => (
                ("Diese Seite gibt es nicht.", "Bitte prüfen Sie die Adresse."),
                ("There is no such page.", "Please check the address."),
            ),
            Self::WrongMethod => (
                ("So lässt sich diese Seite nicht öffnen.", "Bitte starten Sie im Portal erneut."),
                ("This page does not open this way.", "Please start again in the portal."),
            ),
            Self::Left => (
                ("Sie haben den Tarifrechner verlassen.", "Sie können dieses Fenster schließen."),
                ("You have left the calculator.", "You can close this window."),
            ),
            Self::Broken => (
                ("Hier ist etwas schiefgegangen.", "Bitte versuchen Sie es später erneut."),
                ("Something went wrong here.", "Please try again later."),
            ),
        };
        match language {
            Language::German => german,
            Language::English => english,
        }
    }
}

/// Words of the pages.
pub(crate) struct Words {
    pub(crate) name: &'static str,
    pub(crate) acting_as: &'static str,
    pub(crate) actor: &'static str,
    pub(crate) line_of_business: &'static str,
    pub(crate) page: &'static str,
    pub(crate) new_quote: &'static str,
    pub(crate) provider: &'static str,
    pub(crate) nothing_to_offer: &'static str,
    pub(crate) km: &'static str,
    pub(crate) age: &'static str,
    pub(crate) claim_free_years: &'static str,
    pub(crate) save: &'static str,
    pub(crate) not_saved: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    pub(crate) own_quotes: &'static str,
    pub(crate) no_quotes: &'static str,
    pub(crate) quote: &'static str,
    pub(crate) premium: &'static str,
    pub(crate) a_year: &'static str,
    pub(crate) to_calculator: &'static str,
    pub(crate) back_to_portal: &'static str,
    pub(crate) leave: &'static str,
    pub(crate) start: &'static str,
    pub(crate) invented: &'static str,
}

/// The words in a language.
pub(crate) const fn words(language: Language) -> &'static Words {
    match language {
        Language::German => &GERMAN,
        Language::English => &ENGLISH,
    }
}

const GERMAN: Words = Words {
    name: "Tarifrechner",
    acting_as: "Sie handeln als",
    actor: "am Bildschirm",
    line_of_business: "Sparte",
    page: "Seite",
    new_quote: "Neues Angebot",
    provider: "Produktgeber",
    nothing_to_offer: "Für Sie wird hier kein Produktgeber angeboten. Bitte sprechen Sie mit Ihrem Vermittler.",
    km: "Kilometer im Jahr",
    age: "Alter des jüngsten Fahrers",
    claim_free_years: "Schadenfreie Jahre",
    save: "Berechnen und speichern",
    not_saved: "Bitte prüfen Sie diese Angaben:",
    from: "von",
    to: "bis",
    own_quotes: "Ihre Angebote",
    no_quotes: "Sie haben noch kein Angebot gespeichert.",
    quote: "Angebot",
    premium: "Beitrag",
    a_year: "im Jahr",
    to_calculator: "Zum Tarifrechner",
    back_to_portal: "Zurück zum Portal",
    leave: "Beenden",
    start: "Im Portal starten",
    invented: "Die Beiträge sind erfunden.",
};

const ENGLISH: Words = Words {
    name: "Tariff calculator",
    acting_as: "You act as",
    actor: "at the screen",
    line_of_business: "Line of business",
    page: "Page",
    new_quote: "New quote",
    provider: "Product provider",
    nothing_to_offer: "No product provider is offered to you here. Please speak with your broker.",
    km: "Kilometres a year",
    age: "Age of the youngest driver",
    claim_free_years: "Years without a claim",
    save: "Calculate and save",
    not_saved: "Please check these entries:",
    from: "from",
    to: "to",
    own_quotes: "Your quotes",
    no_quotes: "You have not saved a quote yet.",
    quote: "Quote",
    premium: "Premium",
    a_year: "a year",
    to_calculator: "To the calculator",
    back_to_portal: "Back to the portal",
    leave: "Leave",
    start: "Start in the portal",
    invented: "The premiums are invented.",
};

/// What the person is.
pub(crate) const fn person(person: Person, language: Language) -> &'static str {
    match (person, language) {
        (Person::Broker, Language::German) => "Vermittler",
        (Person::Broker, Language::English) => "a broker",
        (Person::PrivateCustomer, Language::German) => "Privatkunde",
        (Person::PrivateCustomer, Language::English) => "a private customer",
        (Person::CommercialCustomer, Language::German) => "Gewerbekunde",
        (Person::CommercialCustomer, Language::English) => "a commercial customer",
    }
}

/// What the human at the screen is, where he is not the person.
pub(crate) const fn actor(role: ActorRole, language: Language) -> &'static str {
    match (role, language) {
        (ActorRole::CustomerStaff, Language::German) => "Mitarbeiter des Kunden",
        (ActorRole::CustomerStaff, Language::English) => "the customer's staff",
        (ActorRole::BrokerStaff, Language::German) => "Mitarbeiter des Vermittlers",
        (ActorRole::BrokerStaff, Language::English) => "the broker's staff",
        (ActorRole::PortalUser | ActorRole::Unspecified, Language::German) => "ein Benutzer des Portals",
        (ActorRole::PortalUser | ActorRole::Unspecified, Language::English) => "a user of the portal",
    }
}

/// A line of business by its GDV code; the code itself where this calculator has no name for it.
pub(crate) fn line_of_business(code: &str, language: Language) -> String {
    match (code, language) {
        ("050", Language::German) => "Kraftfahrt (050)".to_owned(),
        ("050", Language::English) => "Motor (050)".to_owned(),
        _ => code.to_owned(),
    }
}

/// An amount of cents as people write it.
pub(crate) fn euros(cents: u32, language: Language) -> String {
    let (whole, rest) = (cents / 100, cents % 100);
    let (thousands, below) = (whole / 1000, whole % 1000);
    match (language, thousands) {
        (Language::German, 0) => format!("{below},{rest:02} €"),
        (Language::German, _) => format!("{thousands}.{below:03},{rest:02} €"),
        (Language::English, 0) => format!("€{below}.{rest:02}"),
        (Language::English, _) => format!("€{thousands},{below:03}.{rest:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_in_the_language() {
        assert_eq!(euros(35_530, Language::German), "355,30 €");
        assert_eq!(euros(100_507, Language::German), "1.005,07 €");
        assert_eq!(euros(35_530, Language::English), "€355.30");
        assert_eq!(euros(100_507, Language::English), "€1,005.07");
    }
}
