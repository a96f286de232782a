//! What the kernel knows about a process: the CPU time it used and the memory it holds.

use std::{fs, time::Duration};

use nix::{
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

use crate::Error;

/// CPU time of a process since its start, all threads, also ended ones, user and system: exact to the nanosecond,
/// where the ticks of `/proc/<pid>/stat` are ten milliseconds each.
pub fn cpu(pid: u32) -> Result<Duration, Error> {
    let clock: ClockId = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(Duration::from(clock_gettime(clock)?))
}

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// What it holds now.
    pub resident: u64,
    /// The most that it has held.
    pub peak: u64,
}

/// The memory of a process, from `/proc/<pid>/status`.
pub fn memory(pid: u32) -> Result<Memory, Error> {
    parse_memory(&fs::read_to_string(format!("/proc/{pid}/status"))?)
}

fn parse_memory(status: &str) -> Result<Memory, Error> {
    let kilobytes = |name: &str| -> Result<u64, Error> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        Ok(number
            .ok_or_else(|| format!("no {name} in the status"))?
            .parse::<u64>()?
            * 1_024)
    };
    Ok(Memory {
        resident: kilobytes("VmRSS:")?,
        peak: kilobytes("VmHWM:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_time_of_this_process_grows_with_work() -> Result<(), Error> {
        let pid = std::process::id();
        let before = cpu(pid)?;
        let mut sum = 0_u64;
        while cpu(pid)? < before + Duration::from_millis(5) {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
        assert!(memory(pid)?.resident > 100_000 && sum > 0);
        Ok(())
    }

    #[test]
    fn memory_is_read_in_bytes() -> Result<(), Error> {
        let memory = parse_memory("Name:\tx\nVmHWM:\t    20 kB\nVmRSS:\t    10 kB\n")?;
        assert_eq!((memory.resident, memory.peak), (10_240, 20_480));
        assert!(parse_memory("Name:\tzombie\n").is_err());
        Ok(())
    }
}
