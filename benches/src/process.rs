//! What the kernel knows about a function's process: the CPU time it used and the memory it holds.

use std::{fs, time::Duration};

use latchkey_testing::runtime_api::Function;
use nix::{
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};
use tokio::time::sleep;

use crate::Error;

/// After a function asked for its next event it still parks its tasks; what it uses for that belongs to what it did before.
const SETTLE: Duration = Duration::from_millis(4);

/// CPU time since the start, all threads, user and system, once the function waits for its next event.
pub async fn cpu_at_rest(function: &mut Function) -> Result<Duration, Error> {
    function.ready().await?;
    sleep(SETTLE).await;
    cpu(function.pid())
}

/// Exact to the nanosecond, where the ticks of `/proc/<pid>/stat` are ten milliseconds each.
fn cpu(pid: u32) -> Result<Duration, Error> {
    let clock: ClockId = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(Duration::from(clock_gettime(clock)?))
}

/// The memory that a function holds, in megabytes (10^6 bytes), and the most that it has held.
pub fn memory_mb(function: &Function) -> Result<(f64, f64), Error> {
    parse_memory(&fs::read_to_string(format!("/proc/{}/status", function.pid()))?)
}

fn parse_memory(status: &str) -> Result<(f64, f64), Error> {
    let megabytes = |name: &str| -> Result<f64, Error> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
        let kilobytes = kilobytes.ok_or_else(|| format!("no {name} in the status"))?;
        Ok(kilobytes.parse::<f64>()? * 1_024.0 / 1e6)
    };
    Ok((megabytes("VmRSS:")?, megabytes("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_of_this_process_grows_with_work() -> Result<(), Error> {
        let pid = std::process::id();
        let before = cpu(pid)?;
        let mut sum = 0_u64;
        while cpu(pid)? < before + Duration::from_millis(5) {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(sum > 0);
        Ok(())
    }

    #[test]
    fn memory_is_read_from_the_status_in_megabytes() -> Result<(), Error> {
        let memory = parse_memory("Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1000 kB\n")?;
        assert_eq!(memory, (1.024, 2.048));
        assert!(parse_memory("Name:\tzombie\n").is_err());
        Ok(())
    }
}
