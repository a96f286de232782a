//! What a launch link opens can be read by everybody: CloudFormation reads it as the customer.

use std::sync::Arc;

use crate::ports::{PublicReader, TemplateCatalog, Unavailable};

/// How often the schedule has it read, in seconds.
pub const LOOK_SECONDS: u32 = 3_600;

/// What was found where new links lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing was published yet.
    NothingPublished,
    /// The template.
    Readable,
    /// A refusal: every link of the deployment is dead.
    Unreadable {
        /// Where it was looked for.
        url: String,
        /// The HTTP status in place of the template.
        status: u16,
    },
}

impl Found {
    /// The stable code of it in logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NothingPublished => "nothing_published",
            Self::Readable => "template_readable",
            Self::Unreadable { .. } => "template_unreadable",
        }
    }
}

/// Reads the template that new links open, as a stranger.
pub struct WatchTemplate {
    /// Which one it is.
    pub templates: Arc<dyn TemplateCatalog>,
    /// The way there.
    pub reader: Arc<dyn PublicReader>,
}

impl WatchTemplate {
    /// Reads it once.
    pub async fn run(&self) -> Result<Found, Unavailable> {
        let Some(template) = self.templates.current().await? else {
            return Ok(Found::NothingPublished);
        };
        Ok(match self.reader.read(&template.url).await? {
            Ok(_) => Found::Readable,
            Err(status) => Found::Unreadable {
                url: template.url,
                status,
            },
        })
    }
}
