//! The pages. What a template shows is put together here; askama escapes it.

use askama::Template;
use url::Url;

use crate::gateway::Grant;
use crate::language::Language;
use crate::premium::{AGES, MOST_CLAIM_FREE_YEARS, MOST_KM, Risk};
use crate::quotes::Quote;
use crate::settings::Provider;
use crate::texts::{self, Notice, Words, words};

/// What every page has.
pub(crate) struct Frame {
    pub(crate) lang: &'static str,
    pub(crate) words: &'static Words,
    /// Stands in the title, before the name of the calculator.
    pub(crate) title: String,
    /// Who is at work, where somebody is.
    pub(crate) who: Option<Who>,
}

/// Who is at work, and how he leaves.
pub(crate) struct Who {
    pub(crate) person: &'static str,
    pub(crate) actor: Option<&'static str>,
    pub(crate) form_mark: String,
    pub(crate) has_return_url: bool,
}

impl Frame {
    pub(crate) fn new(language: Language, title: impl Into<String>) -> Self {
        Self { lang: language.tag(), words: words(language), title: title.into(), who: None }
    }

    pub(crate) fn with_who(mut self, language: Language, grant: &Grant, form_mark: &str) -> Self {
        self.who = Some(Who {
            person: texts::person(grant.person, language),
            actor: grant.actor.map(|role| texts::actor(role, language)),
            form_mark: form_mark.to_owned(),
            has_return_url: grant.return_url.is_some(),
        });
        self
    }
}

/// One thing to say.
#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct NoticePage {
    frame: Frame,
    heading: &'static str,
    text: &'static str,
    /// The way on, where there is one.
    way: Option<Way>,
    /// Whether the browser goes it by itself.
    leads_on: bool,
}

/// A link that leads on.
pub(crate) struct Way {
    pub(crate) href: String,
    pub(crate) text: &'static str,
}

impl NoticePage {
    pub(crate) fn new(notice: Notice, language: Language, way: Option<Way>) -> Self {
        let (heading, text) = notice.texts(language);
        Self { frame: Frame::new(language, heading), heading, text, way, leads_on: false }
    }

    /// The same; the browser goes the way by itself.
    pub(crate) fn leading_on(self) -> Self {
        Self { leads_on: true, ..self }
    }
}

/// Where people begin who have no session.
pub(crate) fn way_to_start(portals: &[Url], language: Language) -> Option<Way> {
    let portal = portals.first()?;
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("return", portal.as_str()).finish();
    Some(Way { href: format!("/begin?{query}"), text: words(language).start })
}

/// The way back to where the person came from.
pub(crate) fn way_back(return_url: Option<&Url>, language: Language) -> Option<Way> {
    Some(Way { href: return_url?.to_string(), text: words(language).back_to_portal })
}

/// A field of the form with a number in it.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) least: u32,
    pub(crate) most: u32,
    /// What was typed, or what usually fits.
    pub(crate) value: String,
    pub(crate) is_wrong: bool,
}

/// What was typed into the form, and what of it is wrong.
pub(crate) struct Typed {
    pub(crate) provider: Option<String>,
    pub(crate) km: (String, bool),
    pub(crate) age: (String, bool),
    pub(crate) claim_free_years: (String, bool),
}

impl Typed {
    /// Nothing yet: what usually fits.
    pub(crate) fn nothing() -> Self {
        let usual = |value: &str| (value.to_owned(), false);
        Self { provider: None, km: usual("12000"), age: usual("40"), claim_free_years: usual("5") }
    }
}

/// A product provider to choose.
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) is_chosen: bool,
}

/// A line of the list of quotes, or the whole quote.
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) risk: Risk,
    pub(crate) premium: String,
}

impl Shown {
    pub(crate) fn new(quote: Quote, providers: &[Provider], language: Language) -> Self {
        let name = providers.iter().find(|provider| provider.id == quote.provider);
        Self {
            id: quote.id,
            provider: name.map_or(quote.provider, |provider| provider.name.clone()),
            risk: quote.risk,
            premium: texts::euros(quote.premium, language),
        }
    }
}

/// The calculator.
#[derive(Template)]
#[template(path = "calculator.html")]
pub(crate) struct CalculatorPage {
    frame: Frame,
    form_mark: String,
    line_of_business: Option<String>,
    page: Option<String>,
    choices: Vec<Choice>,
    fields: [Field; 3],
    has_errors: bool,
    quotes: Vec<Shown>,
}

impl CalculatorPage {
    /// The calculator of this session, with what may be offered in it.
    pub(crate) fn new(
        language: Language,
        grant: &Grant,
        form_mark: &str,
        offered: &[&Provider],
        typed: Typed,
        quotes: Vec<Shown>,
    ) -> Self {
        let words = words(language);
        let chosen = typed.provider.or_else(|| grant.provider.clone());
        let choices: Vec<_> = offered
            .iter()
            .map(|provider| Choice {
                id: provider.id.clone(),
                name: provider.name.clone(),
                is_chosen: chosen.as_ref() == Some(&provider.id),
            })
            .collect();
        let field = |name, label, least, most, (value, is_wrong)| Field { name, label, least, most, value, is_wrong };
        let fields = [
            field("km", words.km, 1, MOST_KM, typed.km),
            field("age", words.age, u32::from(*AGES.start()), u32::from(*AGES.end()), typed.age),
            field("claim_free_years", words.claim_free_years, 0, MOST_CLAIM_FREE_YEARS.into(), typed.claim_free_years),
        ];
        Self {
            frame: Frame::new(language, words.new_quote).with_who(language, grant, form_mark),
            form_mark: form_mark.to_owned(),
            line_of_business: grant.line_of_business.as_ref().map(|code| texts::line_of_business(code, language)),
            page: grant.page.clone(),
            choices,
            has_errors: fields.iter().any(|field| field.is_wrong),
            fields,
            quotes,
        }
    }
}

/// One quote.
#[derive(Template)]
#[template(path = "quote.html")]
pub(crate) struct QuotePage {
    frame: Frame,
    quote: Shown,
}

impl QuotePage {
    pub(crate) fn new(language: Language, grant: &Grant, form_mark: &str, quote: Shown) -> Self {
        let frame = Frame::new(language, words(language).quote).with_who(language, grant, form_mark);
        Self { frame, quote }
    }
}
