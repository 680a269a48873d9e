//! The script: who there is, what they do, and how it must come out. Data alone; read it from top to bottom.
//!
//! It is the example of `docs/domain.md#purpose`: row 1 is Standard, rows 2 and 3 belong to two brokers, row 4 is
//! shared by all private customers and row 5 by all commercial ones. One more step: a line in [`STORY`].

use crate::proto::admin::v1::Delivery;
use crate::proto::v1::{ErrorReason, ProductProviderKind, ResolutionWay, TargetKind, UserKind};

/// A product provider (Produktgeber) of the example.
pub(super) struct Provider {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: ProductProviderKind,
}

/// The comparator; everybody reaches it.
const COMPARATOR: Provider = Provider { id: "vergleicher", name: "Vergleicher", kind: ProductProviderKind::Comparator };
/// The insurer; private customers do not reach it.
const INSURER: Provider =
    Provider { id: "musterversicherung", name: "Musterversicherung", kind: ProductProviderKind::Insurer };

/// The catalogue's product providers.
pub(super) const PROVIDERS: [Provider; 2] = [COMPARATOR, INSURER];

/// A target of the example. The hosts are made up (RFC 2606, section 2): nothing is opened.
pub(super) struct Target {
    pub(super) id: &'static str,
    pub(super) provider: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: TargetKind,
    pub(super) delivery: Delivery,
    pub(super) url: &'static str,
    /// Whether it gets the password when it redeems.
    pub(super) gets_password: bool,
}

/// The comparator's calculator: the token travels in the fragment of the link.
pub(super) const COMPARATOR_CALCULATOR: Target = Target {
    id: "vergleicher-tarifrechner",
    provider: COMPARATOR.id,
    name: "Tarifrechner of the comparator",
    kind: TargetKind::TariffCalculator,
    delivery: Delivery::Fragment,
    url: "https://tarifrechner.vergleicher.example/start",
    gets_password: true,
};
/// The insurer's calculator: an old one, so an opaque handle travels in the query.
pub(super) const INSURER_CALCULATOR: Target = Target {
    id: "muster-tarifrechner",
    provider: INSURER.id,
    name: "Tarifrechner of the insurer",
    kind: TargetKind::TariffCalculator,
    delivery: Delivery::GetHandle,
    url: "https://tarifrechner.musterversicherung.example/angebot",
    gets_password: true,
};
/// The insurer's portal: the token is posted to it. It has passwords of its own and gets none of ours.
pub(super) const INSURER_PORTAL: Target = Target {
    id: "muster-auskunft",
    provider: INSURER.id,
    name: "VU-Auskunft of the insurer",
    kind: TargetKind::InsurerPortal,
    delivery: Delivery::FormPost,
    url: "https://auskunft.musterversicherung.example/anmeldung",
    gets_password: false,
};

/// The example of a calculator (`examples/tarifrechner`), where the demonstration stays up. Its URL is known once it listens.
pub(super) const EXAMPLE_CALCULATOR: Target = Target {
    id: "beispiel-tarifrechner",
    provider: COMPARATOR.id,
    name: "Beispiel-Tarifrechner",
    kind: TargetKind::TariffCalculator,
    delivery: Delivery::FormPost,
    url: "",
    gets_password: true,
};

/// The catalogue's targets.
pub(super) const TARGETS: [Target; 3] = [COMPARATOR_CALCULATOR, INSURER_CALCULATOR, INSURER_PORTAL];

/// Key and URL of where targets send the browser back to.
pub(super) const RETURN_URL: (&str, &str) = ("portal", "https://portal.makler.example/zurueck");

/// The firm of the example, and another one that must see nothing of it.
pub(super) const FIRM: &str = "Maklerhaus am Markt";
pub(super) const OTHER_FIRM: &str = "Maklerhaus am Hafen";

/// A row of the list of con:center users.
pub(super) struct UserRow {
    pub(super) name: &'static str,
    pub(super) kind: UserKind,
    /// Product providers that it reaches, sorted; empty is all of them.
    pub(super) only: &'static [&'static str],
}

/// Row 1 comes with the tenant: Standard, and without a password.
pub(super) const STANDARD: UserRow = UserRow { name: "cloudtransfer", kind: UserKind::Standard, only: &[] };
pub(super) const ROW_2: UserRow = UserRow { name: "vm.meier", kind: UserKind::Broker, only: &[] };
pub(super) const ROW_3: UserRow = UserRow { name: "vm.schulz", kind: UserKind::Broker, only: &[] };
pub(super) const ROW_4: UserRow = UserRow { name: "privatkunden", kind: UserKind::EndCustomer, only: &[COMPARATOR.id] };
pub(super) const ROW_5: UserRow =
    UserRow { name: "gewerbekunden", kind: UserKind::EndCustomer, only: &[INSURER.id, COMPARATOR.id] };

/// What the administrator adds to the list.
pub(super) const ADDED_ROWS: [UserRow; 4] = [ROW_2, ROW_3, ROW_4, ROW_5];

/// Brokers (Vermittler), by the portal's ids.
pub(super) const MEIER: &str = "meier";
pub(super) const SCHULZ: &str = "schulz";
/// A broker whom nobody has activated yet.
pub(super) const NEWCOMER: &str = "neumann";

/// Which broker jumps with which con:center user (VM-Freischaltungen).
pub(super) const ACTIVATIONS: [(&str, &UserRow); 2] = [(MEIER, &ROW_2), (SCHULZ, &ROW_3)];

/// Customers (Versicherungsnehmer), by the portal's ids.
pub(super) const PRIVATE_1: &str = "privat-1";
pub(super) const PRIVATE_2: &str = "privat-2";
pub(super) const COMMERCIAL: &str = "gewerbe-1";
/// Somebody whom the commercial customer has invited.
const COMMERCIAL_STAFF: &str = "gewerbe-1.einkauf";

/// Whose token a call carries.
#[derive(Clone, Copy)]
pub(super) enum Caller {
    Operator,
    Admin,
    /// The administrator of the other firm.
    OtherAdmin,
    Portal,
    Broker(&'static str),
    Customer {
        id: &'static str,
        /// The human at the screen: the customer himself or his staff.
        at_screen: &'static str,
    },
    Target(&'static str),
}

/// Whom a jump is made for.
#[derive(Clone, Copy)]
pub(super) enum Person {
    Broker(&'static str),
    Customer(&'static str),
}

/// A jump that somebody asks for.
pub(super) struct Trip {
    pub(super) caller: Caller,
    pub(super) person: Person,
    pub(super) target: &'static Target,
}

/// What an administrator changes before a step.
#[derive(Clone, Copy)]
pub(super) enum Change {
    /// Activations of the brokers, records of the customers, and rows 4 and 5 as their shared users.
    AssignPeople,
    /// Takes row 5 out, and lets commercial customers use row 4.
    FallBackToPrivate,
}

/// What happens in a step.
pub(super) enum Deed {
    /// The administrator adds the rows.
    CreateUsers,
    /// The administrator looks at the list.
    ShowTable,
    /// Somebody asks for a jump.
    Jump(Trip),
    /// The target of the jump of this step redeems it.
    Redeem(&'static str),
    /// The administrator makes this row the shared user of private customers.
    ShareWithPrivate(&'static UserRow),
    /// The administrator of the other firm reads this row.
    ReadFromOtherFirm(&'static UserRow),
}

/// How a step must come out.
pub(super) enum Expected {
    Done,
    /// A jump, its user found by this way.
    Issued(ResolutionWay),
    Redeemed(Login),
    Refused(ErrorReason),
}

/// What a target must get.
pub(super) struct Login {
    pub(super) user: &'static UserRow,
    pub(super) end_customer: bool,
    pub(super) password: bool,
    /// Steps whose person must not be recognisable as this one.
    pub(super) stranger_to: &'static [&'static str],
}

/// A step of the story.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) tells: &'static str,
    pub(super) before: Option<Change>,
    pub(super) deed: Deed,
    pub(super) expected: Expected,
}

impl Step {
    const fn new(name: &'static str, tells: &'static str, deed: Deed, expected: Expected) -> Self {
        Self { name, tells, before: None, deed, expected }
    }

    const fn after(mut self, change: Change) -> Self {
        self.before = Some(change);
        self
    }
}

const fn jump(caller: Caller, person: Person, target: &'static Target) -> Deed {
    Deed::Jump(Trip { caller, person, target })
}

const fn himself(id: &'static str) -> Caller {
    Caller::Customer { id, at_screen: id }
}

/// The story, in its order.
pub(super) const STORY: &[Step] = &[
    Step::new(
        "create_users",
        "The administrator adds four con:center users to the list; cloudtransfer is there already.",
        Deed::CreateUsers,
        Expected::Done,
    ),
    Step::new(
        "table",
        "He activates the two brokers (VM-Freischaltung), gives the customers rows 4 and 5 (Kundenzugang), and looks at the list.",
        Deed::ShowTable,
        Expected::Done,
    )
    .after(Change::AssignPeople),
    Step::new(
        "broker_jump",
        "Broker Meier opens the comparator's Tarifrechner, with his own token.",
        jump(Caller::Broker(MEIER), Person::Broker(MEIER), &COMPARATOR_CALCULATOR),
        Expected::Issued(ResolutionWay::Activation),
    ),
    Step::new(
        "broker_redeem",
        "The Tarifrechner redeems it, server to server, and gets Meier's personal user.",
        Deed::Redeem("broker_jump"),
        Expected::Redeemed(Login { user: &ROW_2, end_customer: false, password: true, stranger_to: &[] }),
    ),
    Step::new(
        "broker_portal_jump",
        "The portal asks for broker Schulz, who wants the insurer's VU-Auskunft. It takes a POST.",
        jump(Caller::Portal, Person::Broker(SCHULZ), &INSURER_PORTAL),
        Expected::Issued(ResolutionWay::Activation),
    ),
    Step::new(
        "broker_portal_redeem",
        "The VU-Auskunft redeems it: Schulz's personal user, and no password, as it is not registered to get one.",
        Deed::Redeem("broker_portal_jump"),
        Expected::Redeemed(Login {
            user: &ROW_3,
            end_customer: false,
            password: false,
            stranger_to: &["broker_redeem"],
        }),
    ),
    Step::new(
        "private_1_jump",
        "The portal asks for a private customer.",
        jump(Caller::Portal, Person::Customer(PRIVATE_1), &COMPARATOR_CALCULATOR),
        Expected::Issued(ResolutionWay::SharedPrivate),
    ),
    Step::new(
        "private_1_redeem",
        "The Tarifrechner gets the user that private customers share, marked Endkunde.",
        Deed::Redeem("private_1_jump"),
        Expected::Redeemed(Login { user: &ROW_4, end_customer: true, password: true, stranger_to: &["broker_redeem"] }),
    ),
    Step::new(
        "private_2_jump",
        "Another private customer asks with his own token.",
        jump(himself(PRIVATE_2), Person::Customer(PRIVATE_2), &COMPARATOR_CALCULATOR),
        Expected::Issued(ResolutionWay::SharedPrivate),
    ),
    Step::new(
        "private_2_redeem",
        "Same con:center user, other sub: the Tarifrechner keeps the two apart.",
        Deed::Redeem("private_2_jump"),
        Expected::Redeemed(Login {
            user: &ROW_4,
            end_customer: true,
            password: true,
            stranger_to: &["private_1_redeem", "broker_redeem"],
        }),
    ),
    Step::new(
        "commercial_jump",
        "Staff of a commercial customer open the insurer's Tarifrechner. It takes only GET, so the link has a handle.",
        jump(
            Caller::Customer { id: COMMERCIAL, at_screen: COMMERCIAL_STAFF },
            Person::Customer(COMMERCIAL),
            &INSURER_CALCULATOR,
        ),
        Expected::Issued(ResolutionWay::SharedCommercial),
    ),
    Step::new(
        "commercial_redeem",
        "It gets the user that commercial customers share, who reaches the insurer as well.",
        Deed::Redeem("commercial_jump"),
        Expected::Redeemed(Login { user: &ROW_5, end_customer: true, password: true, stranger_to: &["private_1_redeem"] }),
    ),
    Step::new(
        "fallback_jump",
        "The administrator takes row 5 out and lets commercial customers use row 4. One of them jumps.",
        jump(Caller::Portal, Person::Customer(COMMERCIAL), &COMPARATOR_CALCULATOR),
        Expected::Issued(ResolutionWay::FallbackPrivate),
    )
    .after(Change::FallBackToPrivate),
    Step::new(
        "fallback_redeem",
        "Row 4 it is, and still a sub of his own.",
        Deed::Redeem("fallback_jump"),
        Expected::Redeemed(Login {
            user: &ROW_4,
            end_customer: true,
            password: true,
            stranger_to: &["private_1_redeem", "private_2_redeem", "commercial_redeem"],
        }),
    ),
    Step::new(
        "refuse_insurer_portal",
        "No customer gets a VU-Auskunft, not even if the portal asks for him.",
        jump(Caller::Portal, Person::Customer(PRIVATE_1), &INSURER_PORTAL),
        Expected::Refused(ErrorReason::InsurerPortalForbidden),
    ),
    Step::new(
        "refuse_no_activation",
        "A broker without a VM-Freischaltung gets nobody else's user.",
        jump(Caller::Broker(NEWCOMER), Person::Broker(NEWCOMER), &COMPARATOR_CALCULATOR),
        Expected::Refused(ErrorReason::NoUserAssigned),
    ),
    Step::new(
        "refuse_not_end_customer",
        "The administrator wants private customers to share Meier's personal user, which is not Endkunde.",
        Deed::ShareWithPrivate(&ROW_2),
        Expected::Refused(ErrorReason::EndkundeRequired),
    ),
    Step::new(
        "refuse_provider",
        "A private customer wants the insurer's Tarifrechner; row 4 does not reach this Produktgeber.",
        jump(Caller::Portal, Person::Customer(PRIVATE_1), &INSURER_CALCULATOR),
        Expected::Refused(ErrorReason::ProviderNotAllowed),
    ),
    Step::new(
        "refuse_second_redeem",
        "The Tarifrechner redeems the last jump once more.",
        Deed::Redeem("fallback_jump"),
        Expected::Refused(ErrorReason::JumpAlreadyRedeemed),
    ),
    Step::new(
        "refuse_foreign_tenant",
        "The administrator of another firm reads row 2 by its id. To him it does not exist.",
        Deed::ReadFromOtherFirm(&ROW_2),
        Expected::Refused(ErrorReason::NotFound),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_have_their_names_and_order() {
        let names: Vec<_> = STORY.iter().map(|step| step.name).collect();
        let expected = "create_users table broker_jump broker_redeem broker_portal_jump broker_portal_redeem \
             private_1_jump private_1_redeem private_2_jump private_2_redeem commercial_jump commercial_redeem \
             fallback_jump fallback_redeem refuse_insurer_portal refuse_no_activation refuse_not_end_customer \
             refuse_provider refuse_second_redeem refuse_foreign_tenant";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
    }

    #[test]
    fn a_step_refers_to_earlier_ones_only() {
        let mut earlier = Vec::new();
        for step in STORY {
            if let Deed::Redeem(jump) = &step.deed {
                assert!(earlier.contains(jump), "{}", step.name);
            }
            if let Expected::Redeemed(login) = &step.expected {
                assert!(login.stranger_to.iter().all(|other| earlier.contains(other)), "{}", step.name);
            }
            earlier.push(step.name);
        }
    }

    #[test]
    fn every_delivery_is_shown() {
        let jumps = || STORY.iter().filter(|step| matches!(step.expected, Expected::Issued(_)));
        for delivery in [Delivery::FormPost, Delivery::Fragment, Delivery::GetHandle] {
            let shows = |step: &Step| matches!(&step.deed, Deed::Jump(trip) if trip.target.delivery == delivery);
            assert!(jumps().any(shows), "{delivery:?}");
        }
    }
}
