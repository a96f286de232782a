//! A stub of the AWS services that the functions call: real TLS, real protocols, just as much of an answer as it takes
//! for the functions to do all of their work. Each service has an address of its own, as each has a host of its own on AWS:
//! a function opens as many connections, and offers no service what another one gave it to resume a session with.

mod answers;
mod certificates;
mod delay;
mod quota;
mod table;
mod world;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Instant,
};

use rustls::server::ServerSessionMemoryCache;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use crate::{Error, http::Connection};

pub use certificates::Keys;
use delay::Delay;
pub use table::copied_id;
pub use world::{Calls, Snapshot, World};

/// How many sessions a service remembers.
const SESSIONS: usize = 256;

/// A service, by the address that it is reached at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The table.
    DynamoDb,
    /// The queue of verifications.
    Sqs,
    /// Roles.
    Sts,
    /// What roles may do.
    Iam,
    /// CloudFormation's response bucket.
    Answers,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::DynamoDb, Self::Sqs, Self::Sts, Self::Iam, Self::Answers];

    /// The variable that tells AWS's SDKs where the service is; none for the bucket, which a URL names.
    pub fn endpoint_variable(self) -> Option<&'static str> {
        match self {
            Self::DynamoDb => Some("AWS_ENDPOINT_URL_DYNAMODB"),
            Self::Sqs => Some("AWS_ENDPOINT_URL_SQS"),
            Self::Sts => Some("AWS_ENDPOINT_URL_STS"),
            Self::Iam => Some("AWS_ENDPOINT_URL_IAM"),
            Self::Answers => None,
        }
    }
}

/// The running stub; it ends with this.
pub struct Stub {
    /// What it knows and has seen.
    pub world: Arc<World>,
    addresses: Vec<(Service, SocketAddr)>,
    tasks: Vec<JoinHandle<()>>,
}

impl Stub {
    /// Starts it on loopback addresses with certificates by `keys`, and writes the one that its clients have to trust to
    /// `authority`.
    pub async fn start(authority: &Path, keys: Keys) -> Result<Self, Error> {
        let hosts: Vec<_> = (2..)
            .map(|last| Ipv4Addr::new(127, 0, 0, last))
            .take(Service::ALL.len())
            .collect();
        let (server, pem) = certificates::server(keys, &hosts)?;
        std::fs::write(authority, pem)?;
        let world = Arc::new(World::default());
        let delay = Arc::new(Delay::new());
        let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
        for (service, host) in Service::ALL.into_iter().zip(hosts) {
            let listener = TcpListener::bind((host, 0)).await?;
            addresses.push((service, listener.local_addr()?));
            // Sessions of its own, as each host has.
            let mut server = server.clone();
            server.session_storage = ServerSessionMemoryCache::new(SESSIONS);
            tasks.push(tokio::spawn(serve(
                listener,
                TlsAcceptor::from(Arc::new(server)),
                service,
                world.clone(),
                delay.clone(),
            )));
        }
        Ok(Self {
            world,
            addresses,
            tasks,
        })
    }

    /// Where a service is.
    pub fn url(&self, service: Service) -> String {
        let address = self.addresses.iter().find(|(of, _)| *of == service);
        address.map_or_else(String::new, |(_, address)| format!("https://{address}"))
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    service: Service,
    world: Arc<World>,
    delay: Arc<Delay>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (acceptor, world, delay) = (acceptor.clone(), world.clone(), delay.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut connection = Connection::new(stream);
            world.count(service, "connection");
            while let Ok(Some(request)) = connection.request().await {
                let asked = Instant::now();
                let response = answers::answer(&world, service, &request);
                if !world.latency().is_zero() {
                    delay.wait(asked, world.latency()).await;
                    world.note_wait(asked.elapsed());
                }
                if connection.respond(response).await.is_err() {
                    return;
                }
            }
        });
    }
}
