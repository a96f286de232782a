//! The Lambda Runtime API: runs a function's program as Lambda does, and hands it events.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use crate::{
    Error,
    http::{Connection, Response},
};

/// Longest time for a start, an event, or an end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far ahead the deadline of each event is.
const DEADLINE: Duration = Duration::from_mins(15);

/// A program that speaks the Runtime API.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// All of its environment, but for the address of the Runtime API.
    pub variables: BTreeMap<String, String>,
    /// Where it runs.
    pub folder: PathBuf,
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The function's answer.
    Answer(Value),
    /// The function failed: Lambda would deliver the event again.
    Failure(Value),
}

type Next = mpsc::UnboundedSender<oneshot::Sender<String>>;
type Outcomes = mpsc::UnboundedSender<(bool, Vec<u8>)>;

/// A function's process and the Runtime API that it talks to. It ends when dropped.
pub struct Function {
    child: Child,
    pid: u32,
    started: Instant,
    waiting: mpsc::UnboundedReceiver<oneshot::Sender<String>>,
    outcomes: mpsc::UnboundedReceiver<(bool, Vec<u8>)>,
    next: Option<oneshot::Sender<String>>,
    took: Duration,
    output: Arc<Mutex<String>>,
    server: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
}

impl Function {
    /// Starts a program, with its variables and nothing else in its environment.
    pub async fn start(program: &Program) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (name, arguments) = program.command.split_first().ok_or("no command")?;
        let mut command = Command::new(name);
        command
            .args(arguments)
            .current_dir(&program.folder)
            .env_clear()
            .envs(&program.variables)
            .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let started = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        let pid = child.id().ok_or("it ended at once")?;
        let output = Arc::new(Mutex::new(String::new()));
        let (next, waiting) = mpsc::unbounded_channel();
        let (done, outcomes) = mpsc::unbounded_channel();
        let mut readers = Vec::new();
        if let Some(stream) = child.stdout.take() {
            readers.push(tokio::spawn(collect(stream, output.clone())));
        }
        if let Some(stream) = child.stderr.take() {
            readers.push(tokio::spawn(collect(stream, output.clone())));
        }
        Ok(Self {
            child,
            pid,
            started,
            waiting,
            outcomes,
            next: None,
            took: Duration::ZERO,
            output,
            server: tokio::spawn(serve(listener, next, done)),
            readers,
        })
    }

    /// Waits until it asks for an event, and returns how long ago it was started.
    pub async fn ready(&mut self) -> Result<Duration, Error> {
        if self.next.is_none() {
            tokio::select! {
                next = timeout(PATIENCE, self.waiting.recv()) => {
                    let next = next.map_err(|_| format!("it asks for no event: {}", self.output()))?;
                    self.next = Some(next.ok_or("the Runtime API ended")?);
                }
                status = self.child.wait() => return Err(self.went_away(status?)),
            }
        }
        Ok(self.started.elapsed())
    }

    /// Hands an event to the function and waits for what becomes of it.
    pub async fn invoke(&mut self, event: impl ToString) -> Result<Outcome, Error> {
        self.ready().await?;
        let next = self.next.take().ok_or("the function is not waiting")?;
        let event = event.to_string();
        let begun = Instant::now();
        next.send(event).map_err(|_| "the function went away")?;
        let (is_answer, body) = tokio::select! {
            outcome = timeout(PATIENCE, self.outcomes.recv()) => {
                let outcome = outcome.map_err(|_| format!("no answer in time: {}", self.output()))?;
                outcome.ok_or("the Runtime API ended")?
            }
            status = self.child.wait() => return Err(self.went_away(status?)),
        };
        self.took = begun.elapsed();
        let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(match is_answer {
            true => Outcome::Answer(value),
            false => Outcome::Failure(value),
        })
    }

    /// The answer to an event, and how long it took. A failure of the function is an error.
    pub async fn answer(&mut self, event: &str) -> Result<(Duration, Value), Error> {
        match self.invoke(event).await? {
            Outcome::Answer(answer) => Ok((self.took, answer)),
            Outcome::Failure(failure) => {
                Err(format!("the function failed: {failure}: {}", self.output()).into())
            }
        }
    }

    /// Waits for a function to end by itself.
    pub async fn ended(&mut self) -> Result<ExitStatus, Error> {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.map_err(|_| "the function did not end")??;
        // What it wrote last may still be in the pipes.
        for reader in self.readers.drain(..) {
            reader.await?;
        }
        Ok(status)
    }

    fn went_away(&self, status: ExitStatus) -> Error {
        format!("the function ended with {status}: {}", self.output()).into()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Everything that it has written.
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
        self.readers.iter().for_each(JoinHandle::abort);
    }
}

async fn collect(stream: impl tokio::io::AsyncRead + Unpin, output: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        output.push_str(&line);
        output.push('\n');
    }
}

async fn serve(listener: TcpListener, next: Next, outcomes: Outcomes) {
    while let Ok((stream, _)) = listener.accept().await {
        // Without this an answer in two packets waits for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let (next, outcomes) = (next.clone(), outcomes.clone());
        tokio::spawn(async move {
            // A connection that breaks is the function's end, which is noticed elsewhere.
            let _ = converse(stream, &next, &outcomes).await;
        });
    }
}

async fn converse(stream: TcpStream, next: &Next, outcomes: &Outcomes) -> Result<(), Error> {
    let mut connection = Connection::new(stream);
    let mut number = 0_u64;
    while let Some(request) = connection.request().await? {
        if request.path.ends_with("/invocation/next") {
            let (hand_over, event) = oneshot::channel();
            next.send(hand_over)?;
            let event = event.await?;
            number += 1;
            let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + DEADLINE;
            let mut response = Response::new("200 OK", "application/json", event);
            response.headers.push_str(&format!(
                "lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-{number:012}\r\n\
                 lambda-runtime-deadline-ms: {}\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:111111111111:function:test\r\n",
                deadline.as_millis(),
            ));
            connection.respond(response).await?;
        } else {
            let is_answer = request.path.ends_with("/response");
            // First the acknowledgement: what the caller does next must not wait for the function.
            connection
                .respond(Response::new("202 Accepted", "application/json", "{}"))
                .await?;
            outcomes.send((is_answer, request.body))?;
        }
    }
    Ok(())
}
