//! A stub of the AWS services that the functions call: real TLS, real protocols, just as much of an answer as it takes
//! for the functions to do all of their work. Each service has an address of its own, as each has a host of its own on
//! AWS: a function opens as many connections, and offers no service what another one gave it to resume a session with.

mod answers;
mod certificates;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use latchkey_testing::{dynamodb_stub::Table, http::Connection};
use rustls::server::ServerSessionMemoryCache;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use crate::Error;

/// How many sessions a service remembers.
const SESSIONS: usize = 256;
/// What a connection is counted as, among the operations.
pub const CONNECTION: &str = "connection";

/// A service, by the address that it is reached at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    DynamoDb,
    Sqs,
    Sts,
    Iam,
    Answers,
}

impl Service {
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

/// How often each operation was called.
pub type Calls = BTreeMap<(Service, String), u64>;

/// What the stub knows, and what it was asked.
#[derive(Default)]
pub struct World {
    pub table: Table,
    pub calls: Calls,
    /// The external ID that the customer's role asks for.
    pub external_id: Option<String>,
    /// The messages that were sent, unless the stub was frozen.
    pub queued: Vec<String>,
    /// The last answer that a stack was given, and when.
    pub answered: Option<(Instant, Vec<u8>)>,
    /// How many roles STS gives in a second; as many as are asked for without it.
    pub sts_quota: Option<Quota>,
    /// Whether writes are answered and not done: each event finds what the one before it found.
    pub is_frozen: bool,
    /// How long each answer takes, at least.
    pub latency: Duration,
    waits: (Duration, u32),
}

impl World {
    fn count(&mut self, service: Service, operation: &str) {
        *self.calls.entry((service, operation.to_owned())).or_default() += 1;
    }

    /// The calls since this was asked last.
    pub fn take_calls(&mut self) -> Calls {
        std::mem::take(&mut self.calls)
    }

    /// How long the answers took since this was asked last, on average, from the request's last byte on.
    pub fn take_mean_wait(&mut self) -> Duration {
        let (sum, count) = std::mem::take(&mut self.waits);
        sum.checked_div(count).unwrap_or_default()
    }
}

/// A service's quota, as AWS keeps it: a bucket that holds what may be called within one second, refilled steadily.
pub struct Quota {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Quota {
    pub fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second);
        Self {
            per_second,
            tokens: per_second,
            filled: now,
        }
    }

    fn allows(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + since * self.per_second).min(self.per_second);
        self.filled = now;
        let is_allowed = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(is_allowed));
        is_allowed
    }
}

/// The running stub; it ends with this.
pub struct Stub {
    world: Arc<Mutex<World>>,
    addresses: Vec<(Service, SocketAddr)>,
    tasks: Vec<JoinHandle<()>>,
}

impl Stub {
    /// Starts it on loopback addresses, and writes the certificate that its clients have to trust to `authority`.
    pub async fn start(authority: &Path) -> Result<Self, Error> {
        let hosts = (2..)
            .map(|last| Ipv4Addr::new(127, 0, 0, last))
            .take(Service::ALL.len());
        let hosts: Vec<_> = hosts.collect();
        let (server, pem) = certificates::server(&hosts)?;
        std::fs::write(authority, pem)?;
        let world = Arc::new(Mutex::new(World::default()));
        let delay = waker();
        let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
        for (service, host) in Service::ALL.into_iter().zip(hosts) {
            let listener = TcpListener::bind((host, 0)).await?;
            addresses.push((service, listener.local_addr()?));
            // Sessions of its own, as each host has.
            let mut server = server.clone();
            server.session_storage = ServerSessionMemoryCache::new(SESSIONS);
            let acceptor = TlsAcceptor::from(Arc::new(server));
            tasks.push(tokio::spawn(serve(
                listener,
                acceptor,
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

    /// What it knows and has seen.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub fn url(&self, service: Service) -> String {
        let address = self.addresses.iter().find(|(of, _)| *of == service);
        address.map_or_else(String::new, |(_, address)| format!("https://{address}"))
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

type Waiter = (Instant, oneshot::Sender<()>);

/// Wakes those who wait, as exactly as the kernel can: Tokio's timer ticks in milliseconds and rounds up, which for an
/// answer that shall take 20 ms is a twentieth too long.
fn waker() -> mpsc::Sender<Waiter> {
    let (sender, waiting) = mpsc::channel::<Waiter>();
    thread::spawn(move || {
        // All wait equally long, so that who came first is first to go.
        for (until, waiter) in waiting {
            thread::sleep(until.saturating_duration_since(Instant::now()));
            // Whoever gave up needs no waking.
            let _ = waiter.send(());
        }
    });
    sender
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    service: Service,
    world: Arc<Mutex<World>>,
    delay: mpsc::Sender<Waiter>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (acceptor, world, delay) = (acceptor.clone(), world.clone(), delay.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut connection = Connection::new(stream);
            lock(&world).count(service, CONNECTION);
            while let Ok(Some(request)) = connection.request().await {
                let asked = Instant::now();
                let (response, latency) = {
                    let mut world = lock(&world);
                    (answers::answer(&mut world, service, &request), world.latency)
                };
                if !latency.is_zero() {
                    let (waiter, woken) = oneshot::channel();
                    // Where the thread is gone, so is the stub.
                    let _ = delay.send((asked + latency, waiter));
                    let _ = woken.await;
                    let waits = &mut lock(&world).waits;
                    *waits = (waits.0 + asked.elapsed(), waits.1 + 1);
                }
                if connection.respond(response).await.is_err() {
                    return;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_allows_a_second_s_calls_at_once_then_as_time_brings() {
        let begun = Instant::now();
        let mut quota = Quota::new(10, begun);
        let mut allowed = |after: u64, calls: usize| {
            let now = begun + Duration::from_millis(after);
            (0..calls).filter(|_| quota.allows(now)).count()
        };
        assert_eq!(allowed(0, 20), 10);
        assert_eq!(allowed(250, 20), 2);
        assert_eq!(allowed(60_000, 20), 10, "it holds no more than a second's");
    }

    #[tokio::test]
    async fn nobody_is_woken_too_early() -> Result<(), Error> {
        let (delay, begun) = (waker(), Instant::now());
        let mut woken = Vec::new();
        for wait in [0, 1, 7].map(Duration::from_millis) {
            let (waiter, wakes) = oneshot::channel();
            delay.send((begun + wait, waiter))?;
            woken.push((wait, wakes));
        }
        for (wait, wakes) in woken {
            wakes.await?;
            assert!(begun.elapsed() >= wait);
        }
        Ok(())
    }
}
