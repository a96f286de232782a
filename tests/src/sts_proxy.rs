//! A proxy between the verifier and the local AWS's STS and IAM: it counts what is asked, and fails the way STS fails.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{Error, scene::Scene};

/// Longer than any caller waits.
const FOR_EVER: Duration = Duration::from_secs(3_600);
/// The variables by which the AWS SDKs find these services elsewhere than the others.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_IAM"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// It asks to be asked less: 400 `Throttling`, which is no verdict about a role.
    Throttling,
    /// It is out of order: 500.
    Failing,
    /// It takes the request and never answers.
    Silent,
    /// It cannot be reached: the connection is closed at once.
    Gone,
    /// It is switched off for the account in this region.
    RegionDisabled,
    /// It gives sessions that turn out to be of an account that nobody named.
    OfAnotherAccount,
    /// It is well, and IAM says that a policy of the organisation denies everything that is asked about.
    OrganisationDenies,
}

/// What was asked so far: how often, by the role of an AssumeRole, or by the action of anything else.
pub type Calls = BTreeMap<String, usize>;

/// The proxy; it is gone when dropped.
pub struct StsProxy {
    endpoint: String,
    mood: Arc<Mutex<Mood>>,
    calls: Arc<Mutex<Calls>>,
    task: JoinHandle<()>,
}

impl StsProxy {
    pub const OTHER_ACCOUNT: &'static str = "123123123123";

    /// Puts one before the verifier's STS. Only in a local AWS of one's own.
    pub async fn before(scene: &Scene) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let upstream = scene
            .ready
            .endpoint
            .strip_prefix("http://")
            .ok_or("the local AWS speaks http")?
            .to_owned();
        let mood = Arc::new(Mutex::new(Mood::Well));
        let calls = Arc::new(Mutex::new(Calls::new()));
        let task = tokio::spawn(serve(listener, upstream, mood.clone(), calls.clone()));
        let proxy = Self {
            endpoint,
            mood,
            calls,
            task,
        };
        let changes = ENDPOINTS.map(|name| (name, proxy.endpoint.as_str()));
        scene.reconfigure("role-verifier", &changes).await?;
        Ok(proxy)
    }

    pub fn becomes(&self, mood: Mood) {
        if let Ok(mut current) = self.mood.lock() {
            *current = mood;
        }
    }

    pub fn calls(&self) -> Calls {
        self.calls.lock().map(|calls| calls.clone()).unwrap_or_default()
    }
}

impl Drop for StsProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, upstream: String, mood: Arc<Mutex<Mood>>, calls: Arc<Mutex<Calls>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (upstream, mood, calls) = (upstream.clone(), mood.clone(), calls.clone());
        tokio::spawn(async move {
            // A connection that breaks is its caller's trouble, and shows there.
            let _ = converse(stream, &upstream, &mood, &calls).await;
        });
    }
}

/// One request, one answer, and the connection is over.
async fn converse(
    mut stream: TcpStream,
    upstream: &str,
    mood: &Mutex<Mood>,
    calls: &Mutex<Calls>,
) -> Result<(), Error> {
    let request = read_request(&mut stream).await?;
    let body_start = find(&request, b"\r\n\r\n").ok_or("a request without an end of its head")? + 4;
    let form = |name: &str| field(&request[body_start..], name);
    let name = form("RoleArn").or_else(|| form("Action")).unwrap_or_default();
    if let Ok(mut calls) = calls.lock() {
        *calls.entry(name).or_default() += 1;
    }
    let current = mood.lock().map(|mood| *mood).unwrap_or(Mood::Well);
    let answer = match current {
        Mood::Well => forward(&request, upstream).await?,
        Mood::OfAnotherAccount | Mood::OrganisationDenies => {
            let answer = forward(&request, upstream).await?;
            match (current, form("Action").as_deref()) {
                (Mood::OfAnotherAccount, Some("AssumeRole")) => rewritten(&answer, of_another_account)?,
                (Mood::OrganisationDenies, Some("SimulatePrincipalPolicy")) => {
                    rewritten(&answer, denied_by_the_organisation)?
                }
                _ => answer,
            }
        }
        Mood::Throttling => error_answer(400, "Throttling", "Rate exceeded"),
        Mood::Failing => error_answer(500, "InternalFailure", "Something is broken here"),
        Mood::RegionDisabled => error_answer(
            403,
            "RegionDisabledException",
            "STS is not activated in this region for account",
        ),
        Mood::Gone => return Ok(()),
        Mood::Silent => {
            tokio::time::sleep(FOR_EVER).await;
            return Ok(());
        }
    };
    stream.write_all(&answer).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn read_request(stream: &mut TcpStream) -> Result<Vec<u8>, Error> {
    let mut request = Vec::new();
    let mut buffer = [0_u8; 8_192];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Err("the caller went away".into());
        }
        request.extend_from_slice(&buffer[..read]);
        if let Some(end) = find(&request, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if request.len() >= end + 4 + length {
                return Ok(request);
            }
        }
    }
}

/// Hands the request on as it was signed, but for a connection that ends with the answer.
async fn forward(request: &[u8], upstream: &str) -> Result<Vec<u8>, Error> {
    let line_end = find(request, b"\r\n").ok_or("a request without a line")? + 2;
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&request[..line_end]).await?;
    server.write_all(b"connection: close\r\n").await?;
    server.write_all(&request[line_end..]).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

fn rewritten(answer: &[u8], change: impl Fn(&str) -> String) -> Result<Vec<u8>, Error> {
    let start = find(answer, b"\r\n\r\n").ok_or("an answer without an end of its head")?;
    let head = String::from_utf8_lossy(&answer[..start]).into_owned();
    let body = change(&String::from_utf8_lossy(&answer[start + 4..]));
    let kept = head.lines().filter(|line| {
        let line = line.to_ascii_lowercase();
        !line.starts_with("content-length:") && !line.starts_with("transfer-encoding:")
    });
    let head: Vec<&str> = kept.collect();
    Ok(format!(
        "{}\r\ncontent-length: {}\r\n\r\n{body}",
        head.join("\r\n"),
        body.len()
    )
    .into_bytes())
}

fn of_another_account(session: &str) -> String {
    const BEFORE_ACCOUNT: &str = "<Arn>arn:aws:sts::";
    let Some((before, rest)) = session.split_once(BEFORE_ACCOUNT) else {
        return session.to_owned();
    };
    let after = rest.split_once(':').map_or("", |(_, after)| after);
    format!("{before}{BEFORE_ACCOUNT}{}:{after}", StsProxy::OTHER_ACCOUNT)
}

/// The shape that AWS documents: the decision, and beside it whose policy stands against it.
fn denied_by_the_organisation(simulation: &str) -> String {
    simulation.replace(
        "<EvalDecision>allowed</EvalDecision>",
        "<EvalDecision>explicitDeny</EvalDecision><OrganizationsDecisionDetail><AllowedByOrganizations>false\
         </AllowedByOrganizations></OrganizationsDecisionDetail>",
    )
}

fn error_answer(status: u16, code: &str, message: &str) -> Vec<u8> {
    let body = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>00000000-0000-4000-8000-000000000000\
         </RequestId></ErrorResponse>"
    );
    format!(
        "HTTP/1.1 {status} No\r\ncontent-type: text/xml\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A field of a form, decoded as far as an ARN needs it.
fn field(form: &[u8], name: &str) -> Option<String> {
    let form = String::from_utf8_lossy(form);
    let value = form
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.replace("%3A", ":").replace("%2F", "/"))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
