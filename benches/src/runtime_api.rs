//! The Lambda Runtime API, as far as it takes to start a function's process and hand it one event after the other.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use crate::{
    Error,
    http::{Connection, Response},
    process::{Memory, cpu, memory},
};

/// Longest time for a start or an event.
const PATIENCE: Duration = Duration::from_secs(60);
/// After a function asked for its next event it still parks its tasks; what it uses for that belongs to what it did
/// before.
const SETTLE: Duration = Duration::from_millis(4);
/// How much of what a process wrote is kept for an error message, in bytes.
const KEPT_OUTPUT: usize = 8_000;

/// A program that speaks the Runtime API.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// All of its environment, but for what the Runtime API adds.
    pub variables: BTreeMap<String, String>,
    /// Where it runs.
    pub folder: PathBuf,
}

/// A process that is waiting for its next event.
pub struct Function {
    child: Child,
    pid: u32,
    waiting: mpsc::UnboundedReceiver<oneshot::Sender<String>>,
    answers: mpsc::UnboundedReceiver<(bool, Vec<u8>)>,
    next: Option<oneshot::Sender<String>>,
    output: Arc<Mutex<String>>,
    tasks: Vec<JoinHandle<()>>,
    /// From before `exec` to the first request for an event.
    pub start: Duration,
}

impl Function {
    /// Starts a program and waits until it asks for its first event.
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
        let (answer, answers) = mpsc::unbounded_channel();
        let mut tasks = vec![tokio::spawn(serve(listener, next, answer))];
        if let Some(stream) = child.stdout.take() {
            tasks.push(tokio::spawn(collect(stream, output.clone())));
        }
        if let Some(stream) = child.stderr.take() {
            tasks.push(tokio::spawn(collect(stream, output.clone())));
        }
        let mut function = Self {
            child,
            pid,
            waiting,
            answers,
            next: None,
            output,
            tasks,
            start: Duration::ZERO,
        };
        function
            .wait_for_next()
            .await
            .map_err(|error| format!("{name}: {error}"))?;
        function.start = started.elapsed();
        sleep(SETTLE).await;
        Ok(function)
    }

    async fn wait_for_next(&mut self) -> Result<(), Error> {
        tokio::select! {
            next = timeout(PATIENCE, self.waiting.recv()) => {
                self.next = Some(next.map_err(|_| "asks for no event")?.ok_or("the server ended")?);
                Ok(())
            }
            status = self.child.wait() => Err(format!("ended with {}: {}", status?, self.output()).into()),
        }
    }

    /// Hands an event over and waits until the next one is asked for. Returns how long the answer took, and the
    /// answer. A failure of the function is an error.
    pub async fn invoke(&mut self, event: &str) -> Result<(Duration, Vec<u8>), Error> {
        let next = self.next.take().ok_or("the function is not waiting")?;
        let begun = Instant::now();
        next.send(event.to_owned())
            .map_err(|_| "the function went away")?;
        let (is_answer, body) = timeout(PATIENCE, self.answers.recv())
            .await
            .map_err(|_| format!("no answer in time: {}", self.output()))?
            .ok_or("the server ended")?;
        let took = begun.elapsed();
        if !is_answer {
            let error = String::from_utf8_lossy(&body);
            return Err(format!("the function failed: {error}: {}", self.output()).into());
        }
        self.wait_for_next().await?;
        Ok((took, body))
    }

    /// CPU time since the start, once the process has come to rest.
    pub async fn cpu_at_rest(&self) -> Result<Duration, Error> {
        sleep(SETTLE).await;
        cpu(self.pid)
    }

    /// The memory it holds.
    pub fn memory(&self) -> Result<Memory, Error> {
        memory(self.pid)
    }

    /// The end of what it wrote.
    pub fn output(&self) -> String {
        self.output
            .lock()
            .map(|output| output.clone())
            .unwrap_or_default()
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.child.kill().await?;
        for task in &self.tasks {
            task.abort();
        }
        Ok(())
    }
}

async fn collect(stream: impl tokio::io::AsyncRead + Unpin, output: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Ok(mut output) = output.lock() {
            if output.len() > KEPT_OUTPUT {
                output.clear();
            }
            output.push_str(&line);
            output.push('\n');
        }
    }
}

type Next = mpsc::UnboundedSender<oneshot::Sender<String>>;
type Answers = mpsc::UnboundedSender<(bool, Vec<u8>)>;

async fn serve(listener: TcpListener, next: Next, answers: Answers) {
    while let Ok((stream, _)) = listener.accept().await {
        // Without this an answer in two packets waits for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let (next, answers) = (next.clone(), answers.clone());
        tokio::spawn(async move {
            // A connection that breaks is the function's end, which is noticed elsewhere.
            let _ = converse(stream, &next, &answers).await;
        });
    }
}

async fn converse(stream: TcpStream, next: &Next, answers: &Answers) -> Result<(), Error> {
    let mut connection = Connection::new(stream);
    let mut number = 0_u64;
    while let Some(request) = connection.request().await? {
        if request.path.ends_with("/invocation/next") {
            let (hand_over, event) = oneshot::channel();
            next.send(hand_over)?;
            let event = event.await?;
            number += 1;
            let mut response = Response::new("200 OK", "application/json", event);
            response.headers.push_str(&format!(
                "lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-{number:012}\r\n\
                 lambda-runtime-deadline-ms: {}\r\n\
                 lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:111111111111:function:bench\r\n",
                jiff::Timestamp::now().as_millisecond() + 60_000,
            ));
            connection.respond(response).await?;
        } else {
            let is_answer = request.path.ends_with("/response");
            // The answer first: what the caller does then must not wait for the function.
            connection
                .respond(Response::new("202 Accepted", "application/json", "{}"))
                .await?;
            answers.send((is_answer, request.body))?;
        }
    }
    Ok(())
}
