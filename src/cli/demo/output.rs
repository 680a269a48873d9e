//! How the story is told: to people, or one JSON object a step to machines.

use std::io::{self, Write};

use serde::Serialize;

use super::script::Step;
use super::seen::{Explained, Issued, Password, Redeemed, Refused, Seen};
use crate::proto::v1::ResolutionWay;

/// Whom the story is told to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// People.
    Story,
    /// Machines: nothing but one JSON object a line.
    Json,
}

/// Tells the story on `out`; what went wrong, and what is not for machines, on `notes`.
pub(super) struct Output<'a> {
    pub(super) form: Form,
    /// Standard output, outside of tests.
    pub(super) out: &'a mut (dyn Write + Send),
    /// Standard error, outside of tests.
    pub(super) notes: &'a mut (dyn Write + Send),
}

/// A step as machines read it. A field that does not apply is absent.
#[derive(Serialize)]
struct Line<'a> {
    step: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concenter_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_customer: Option<bool>,
}

impl Output<'_> {
    /// Says something to people: in the story, or beside the objects.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        match self.form {
            Form::Story => writeln!(self.out, "{text}"),
            Form::Json => writeln!(self.notes, "{text}"),
        }
    }

    /// Says what went wrong.
    pub(super) fn complain(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.notes, "{text}")
    }

    /// Tells a step and what came of it.
    pub(super) fn step(&mut self, step: &Step, seen: &Seen) -> io::Result<()> {
        match self.form {
            Form::Json => {
                serde_json::to_writer(&mut self.out, &line(step.name, seen))?;
                writeln!(self.out)?;
            }
            Form::Story => {
                writeln!(self.out, "{}\n  {}", step.name, step.tells)?;
                for detail in details(seen) {
                    writeln!(self.out, "  {detail}")?;
                }
                writeln!(self.out)?;
            }
        }
        // Whoever reads along sees each step when it happens.
        self.out.flush()
    }
}

fn line<'a>(step: &'a str, seen: &'a Seen) -> Line<'a> {
    let plain =
        Line { step, outcome: seen.outcome(), reason: None, concenter_user: None, sub: None, end_customer: None };
    match seen {
        Seen::Done { .. } | Seen::Issued(_) => plain,
        Seen::Redeemed(redeemed) => Line {
            concenter_user: Some(&redeemed.user_name),
            sub: Some(&redeemed.subject),
            end_customer: Some(redeemed.end_customer),
            ..plain
        },
        Seen::Refused(refused) => Line { reason: refused.reason.as_deref(), ..plain },
    }
}

/// What people are told of an outcome, line by line.
fn details(seen: &Seen) -> Vec<String> {
    match seen {
        Seen::Done { shown, .. } => {
            shown.iter().flat_map(|table| table.lines()).map(|line| format!("| {line}")).collect()
        }
        Seen::Issued(issued) => issued_details(issued),
        Seen::Redeemed(redeemed) => redeemed_details(redeemed),
        Seen::Refused(refused) => refused_details(refused),
    }
}

fn issued_details(issued: &Issued) -> Vec<String> {
    let mut details = vec![format!("-> {}", issued.passage)];
    if let Explained::Resolved(way, user) = &issued.explained {
        details.push(format!("ExplainJump: {user}, {}", way_name(*way)));
    }
    details
}

fn redeemed_details(redeemed: &Redeemed) -> Vec<String> {
    let password = match redeemed.password {
        Password::None => "not handed over",
        Password::AsEntered | Password::Other => "handed over (never shown)",
    };
    let providers = redeemed.only.as_ref().map_or_else(|| "all".to_owned(), |only| only.join(", "));
    let mut details = vec![
        format!("con:center user  {}", redeemed.user_name),
        format!("password         {password}"),
        format!("sub              {}", redeemed.subject),
        format!("Endkunde         {}", if redeemed.end_customer { "yes" } else { "no" }),
        format!("Produktgeber     {providers}"),
    ];
    if redeemed.has_actor {
        details.push("at the screen    somebody else, under a pairwise id of his own".to_owned());
    }
    details
}

fn refused_details(refused: &Refused) -> Vec<String> {
    let reason = refused.reason.as_deref().unwrap_or("without a reason of ours");
    vec![format!("refused: {reason}"), refused.text.clone()]
}

/// The way to a con:center user, as people say it.
const fn way_name(way: ResolutionWay) -> &'static str {
    match way {
        ResolutionWay::Unspecified => "nobody knows why",
        ResolutionWay::Activation => "by his VM-Freischaltung",
        ResolutionWay::OwnUser => "which is his own",
        ResolutionWay::SharedPrivate => "which all Privatkunden share",
        ResolutionWay::SharedCommercial => "which all Gewerbekunden share",
        ResolutionWay::FallbackPrivate => "which Privatkunden share, as none is set for Gewerbekunden",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_only_what_applies() {
        let json = |seen: &Seen| serde_json::to_string(&line("a_step", seen)).unwrap();
        let done = Seen::Done { shown: Some("table".to_owned()), wrong: Vec::new() };
        assert_eq!(json(&done), r#"{"step":"a_step","outcome":"ok"}"#);

        let redeemed = Seen::Redeemed(Redeemed {
            user_name: "privatkunden".to_owned(),
            subject: "x".to_owned(),
            end_customer: false,
            password: Password::AsEntered,
            only: None,
            has_actor: false,
        });
        assert_eq!(
            json(&redeemed),
            r#"{"step":"a_step","outcome":"redeemed","concenter_user":"privatkunden","sub":"x","end_customer":false}"#
        );

        let refused =
            Refused { reason: Some("ROLE".to_owned()), text: "text".to_owned(), explained: None, wrong: Vec::new() };
        assert_eq!(json(&Seen::Refused(refused)), r#"{"step":"a_step","outcome":"refused","reason":"ROLE"}"#);
    }
}
