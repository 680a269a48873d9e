//! Where browsers come from and where they go.

use clap::Args;

use crate::domain::target::{Origin, WebUrl};

/// Where browsers reach the service, and where its pages lead them back to.
#[derive(Debug, Clone, Default, Args)]
pub struct BrowserSettings {
    /// Where browsers reach the HTTP listener: https://HOST:PORT, http for this machine alone
    ///
    /// Deep links of targets that are posted to begin with it. An origin of its own, without a path. Without it that is the address
    /// of the listener itself, which is for development: in production it must be named, and be https.
    #[arg(long, env = "CONCENTER_PUBLIC_URL", value_name = "URL", value_parser = Origin::parse)]
    pub public_url: Option<Origin>,

    /// The portal, for the way back on pages of the service: a URL, https, http for this machine alone
    ///
    /// Without it the pages have a button that goes back to where the browser was before.
    #[arg(long, env = "CONCENTER_PORTAL_URL", value_name = "URL", value_parser = WebUrl::parse)]
    pub portal_url: Option<WebUrl>,
}
