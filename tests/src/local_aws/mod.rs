//! A whole AWS on loopback: MiniStack with our corrections, the real `template.yaml` with the real binaries, the
//! listener topics, the published customer template, and two tenants with tokens.

mod artifacts;
pub mod aws;
mod deployment;
pub mod issuer;
pub mod ready;
mod server;

use std::time::Duration;

use latchkey_core::domain::listener_access::ListenerAccess;

pub use ready::Ready;
pub use server::free_port;

use crate::{Error, local_aws::server::Server};

pub const VENDOR_ACCOUNT: &str = "111111111111";
/// The account that owns the buckets that CloudFormation takes answers in.
pub const CLOUDFORMATION_ACCOUNT: &str = "999999999999";
/// Where the functions' zip files and the vendor's template lie.
pub const ARTIFACTS_BUCKET: &str = "latchkey-artifacts";
/// The region that everything but the listener topics is in.
pub const HUB_REGION: &str = "us-east-1";
pub const LISTENER_REGIONS: [&str; 3] = ["us-east-1", "eu-west-1", "ap-southeast-2"];
/// Two vendors' customers with a token each.
pub const TENANTS: [&str; 2] = ["acme", "globex"];

/// Times that a test does not want to wait for, as deployment parameters.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port to listen on; any free one if none is named.
    pub port: Option<u16>,
    /// How long a role may take to become assumable.
    pub verification_deadline: Duration,
    /// Whether the listener topics are open, or let in single accounts.
    pub listener_access: ListenerAccess,
    /// A bucket that is made before the deployment, for customer templates.
    pub bucket_elsewhere: Option<String>,
    /// Whether there is an identity provider, and so a tenant's door.
    pub issuer: bool,
    /// Further parameters of `template.yaml`, by name.
    pub parameters: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: None,
            verification_deadline: Duration::from_secs(30),
            listener_access: ListenerAccess::Open,
            bucket_elsewhere: None,
            issuer: true,
            parameters: Vec::new(),
        }
    }
}

/// A running local AWS. It ends when this is stopped or dropped, or when its process ends.
pub struct LocalAws {
    server: Server,
    pub ready: Ready,
}

impl LocalAws {
    /// Starts and deploys everything; `progress` is told what is being done.
    pub async fn start(options: Options, progress: impl Fn(&str)) -> Result<Self, Error> {
        progress("starting the local AWS");
        let server = Server::start(options.port).await?;
        let ready = deployment::deploy(server.endpoint(), &options, progress).await?;
        Ok(Self { server, ready })
    }

    /// Ends it and removes what it wrote.
    pub async fn stop(self) -> Result<(), Error> {
        self.server.stop().await
    }
}
