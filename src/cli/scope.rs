//! Scopes of product providers and lines of business, as they are typed and shown.

use crate::proto::v1::line_of_business_scope as line_scope;
use crate::proto::v1::provider_scope::{All, Only, Scope};
use crate::proto::v1::{LineOfBusinessScope, ProviderScope};

/// Which product providers a con:center user reaches.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
pub(super) struct ScopeArgs {
    /// Product providers (Produktgeber) that the user reaches, by their ids, with commas or one by one
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    provider: Vec<String>,

    /// The user reaches every product provider; not for Endkunde
    #[arg(long)]
    all_providers: bool,
}

impl ScopeArgs {
    /// The scope; `None` if nothing was said of it.
    pub(super) fn scope(&self) -> Option<ProviderScope> {
        let scope = match (self.all_providers, self.provider.is_empty()) {
            (true, _) => Scope::All(All {}),
            (false, false) => Scope::Only(Only { product_provider_ids: self.provider.clone() }),
            (false, true) => return None,
        };
        Some(ProviderScope { scope: Some(scope) })
    }
}

/// Which lines of business a target takes.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct LineScopeArgs {
    /// Lines of business (Sparten) that it takes, GDV codes of three digits, with commas or one by one
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    line_of_business: Vec<String>,

    /// It takes every line of business
    #[arg(long)]
    all_lines_of_business: bool,
}

impl LineScopeArgs {
    /// The scope. The arguments name one of the two.
    pub(super) fn scope(self) -> LineOfBusinessScope {
        let scope = if self.all_lines_of_business {
            line_scope::Scope::All(line_scope::All {})
        } else {
            line_scope::Scope::Only(line_scope::Only { lines_of_business: self.line_of_business })
        };
        LineOfBusinessScope { scope: Some(scope) }
    }
}

/// The scope in a cell.
pub(super) fn scope_text(scope: Option<&ProviderScope>) -> String {
    match scope.and_then(|scope| scope.scope.as_ref()) {
        Some(Scope::All(All {})) => "all".to_owned(),
        Some(Scope::Only(only)) => only.product_provider_ids.join(", "),
        None => String::new(),
    }
}

/// The scope in a cell.
pub(super) fn line_scope_text(scope: Option<&LineOfBusinessScope>) -> String {
    match scope.and_then(|scope| scope.scope.as_ref()) {
        Some(line_scope::Scope::All(line_scope::All {})) => "all".to_owned(),
        Some(line_scope::Scope::Only(only)) => only.lines_of_business.join(", "),
        None => String::new(),
    }
}
