//! Counts the instructions of a start, from `exec` to the first request for an event.
//!
//! Twice over. **Step by step**, with the kernel's `ptrace`: it needs nothing but Linux, so CI can do it anywhere, and
//! it is exact. **By callgrind**, where valgrind is installed, for the table: that is what others measure with.
//!
//! Both count user instructions alone. What depends on the machine or on chance is fixed first: addresses are not
//! randomised, and glibc takes the variants of its functions that every x86-64 has.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::{
        personality::{self, Persona},
        ptrace,
        signal::Signal,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::{Error, runtime_api::Program};

/// The variants of glibc's functions that every x86-64 has: the others depend on the machine's processor.
const PLAIN_GLIBC: &str =
    "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX2,-AVX_Usable,-AVX2_Usable,-ERMS,-FSRM,-BMI2,-RTM,-XSAVEC";
/// Longest time for one count: a step takes 5 microseconds, and 30 on a virtual machine with busy neighbours.
const PATIENCE: Duration = Duration::from_secs(900);
/// Stops itself, so that it can be traced from its first instruction on; then becomes the program.
const STOPPED: &str = "kill -STOP $$; exec \"$0\" \"$@\"";

/// How long a connection is kept open after the first request: by then whoever counts has noticed it.
const GRACE: Duration = Duration::from_millis(50);

/// A Runtime API that notices the first request for an event, and then hangs up: that wakes a program that waits.
struct FirstRequest {
    address: String,
    came: Arc<AtomicBool>,
}

impl FirstRequest {
    fn listen() -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let came = Arc::new(AtomicBool::new(false));
        let seen = came.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let mut line = String::new();
                let mut reader = BufReader::new(stream);
                if reader.read_line(&mut line).is_ok() && line.contains("/invocation/next") {
                    seen.store(true, Ordering::Release);
                    std::thread::sleep(GRACE);
                }
            }
        });
        Ok(Self { address, came })
    }

    fn has_come(&self) -> bool {
        self.came.load(Ordering::Acquire)
    }
}

fn variables(program: &Program, api: &FirstRequest) -> BTreeMap<String, String> {
    let mut variables = program.variables.clone();
    variables.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), api.address.clone());
    variables.insert("GLIBC_TUNABLES".to_owned(), PLAIN_GLIBC.to_owned());
    variables
}

/// The instructions of a start, counted one by one.
pub fn count_steps(program: &Program) -> Result<u64, Error> {
    // A thread of its own, which keeps to one processor.
    let counting = || count_on_one_processor(program);
    std::thread::scope(|scope| scope.spawn(counting).join()).map_err(|_| "counting panicked")?
}

fn count_on_one_processor(program: &Program) -> Result<u64, Error> {
    // The program inherits it. On two, each step wakes the other one up, which is several times as slow.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let allowed: Vec<usize> = (0..CpuSet::count())
        .filter(|cpu| allowed.is_set(*cpu).unwrap_or(false))
        .collect();
    let mut one = CpuSet::new();
    one.set(allowed[NEXT.fetch_add(1, Ordering::Relaxed) % allowed.len()])?;
    sched_setaffinity(this_thread, &one)?;
    let api = FirstRequest::listen()?;
    // For what is started from here on; this process itself stays where it is.
    personality::set(personality::get()? | Persona::ADDR_NO_RANDOMIZE)?;
    let mut child = Command::new("/bin/sh")
        .args(["-c", STOPPED])
        .args(&program.command)
        .current_dir(&program.folder)
        .env_clear()
        .envs(variables(program, &api))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let counted = trace(pid, &api);
    let _ = child.kill();
    let _ = child.wait();
    counted.map_err(|error| format!("{}: {error}", program.command.join(" ")).into())
}

fn trace(pid: Pid, api: &FirstRequest) -> Result<u64, Error> {
    let begun = Instant::now();
    // The shell stops itself; only then is it taken hold of.
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::seize(
        pid,
        ptrace::Options::PTRACE_O_TRACEEXEC | ptrace::Options::PTRACE_O_EXITKILL,
    )?;
    nix::sys::signal::kill(pid, Signal::SIGCONT)?;
    loop {
        match waitpid(pid, None)? {
            WaitStatus::PtraceEvent(_, _, event) if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 => break,
            WaitStatus::Exited(_, code) => {
                return Err(format!("it ended before it began, with {code}").into());
            }
            _ => ptrace::cont(pid, None)?,
        }
    }
    let mut count = 0_u64;
    while !api.has_come() {
        ptrace::step(pid, None)?;
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => count += 1,
            WaitStatus::Exited(_, code) => return Err(format!("it ended with {code}").into()),
            WaitStatus::Signaled(_, signal, _) => return Err(format!("it was ended by {signal}").into()),
            _ => {}
        }
        if count.is_multiple_of(100_000) && begun.elapsed() > PATIENCE {
            return Err("it asks for no event".into());
        }
    }
    Ok(count)
}

/// The instructions of a start as callgrind counts them; none where valgrind is not installed.
pub fn count_by_callgrind(program: &Program) -> Result<Option<u64>, Error> {
    let api = FirstRequest::listen()?;
    let child = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(&program.command)
        .current_dir(&program.folder)
        .env_clear()
        .envs(variables(program, &api))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        child => child?,
    };
    let begun = Instant::now();
    while !api.has_come() && begun.elapsed() < PATIENCE && child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // It may have ended by itself, when the connection was closed.
    let _ = nix::sys::signal::kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM);
    let mut report = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut report)?;
    }
    child.wait()?;
    collected(&report)
        .map(Some)
        .ok_or_else(|| format!("callgrind counted nothing: {report}").into())
}

fn collected(report: &str) -> Option<u64> {
    let (_, rest) = report.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for an event as a function does, in the shell's own words.
    const ASKS: &str = "exec 3<>/dev/tcp/${AWS_LAMBDA_RUNTIME_API%:*}/${AWS_LAMBDA_RUNTIME_API#*:}; \
                        printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\n\\r\\n' >&3; read -r answer <&3";

    fn shell(script: &str) -> Program {
        Program {
            command: ["/bin/bash", "--norc", "-c", script].map(str::to_owned).to_vec(),
            variables: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            folder: std::env::temp_dir(),
        }
    }

    #[test]
    fn the_same_start_counts_the_same_and_a_slower_one_counts_more() -> Result<(), Error> {
        let (once, again) = (count_steps(&shell(ASKS))?, count_steps(&shell(ASKS))?);
        assert!(once.abs_diff(again) < once / 50, "{once} {again}");
        let slower = count_steps(&shell(&format!("for i in {{1..200}}; do :; done; {ASKS}")))?;
        assert!(slower > once + 20_000, "{once} {slower}");
        Ok(())
    }

    #[test]
    fn a_program_that_ends_without_asking_is_an_error() {
        assert!(count_steps(&shell("exit 3")).is_err());
    }

    #[test]
    fn callgrinds_count_is_read_from_its_report() {
        assert_eq!(
            collected("==1== Events    : Ir\n==1== Collected : 2290000\n"),
            Some(2_290_000)
        );
        assert_eq!(collected("valgrind: no"), None);
    }
}
