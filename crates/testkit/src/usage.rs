//! Resource usage of running programs: CPU time and memory. Also chooses their cores.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::process::family;

/// Returns the CPU time of `pid` and its descendants in seconds. The resolution is the kernel's clock tick (usually 10 ms).
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 ticks")]
pub fn cpu_seconds(pid: u32) -> f64 {
    let ticks: u64 = family(pid)
        .into_iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        .filter_map(|stat| {
            // Counted after the name: state is field 3, so utime and stime (14 and 15) are at index 11 and 12.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
        })
        .sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Returns the CPU time of `pid` and its descendants in nanoseconds. It is exact for waiting programs with one thread each; other
/// threads are not counted.
///
/// # Panics
/// If the kernel has no /proc/PID/schedstat.
pub fn cpu_nanoseconds(pid: u32) -> u64 {
    family(pid)
        .into_iter()
        .map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat"));
            let text = text.expect("a kernel with CONFIG_SCHED_INFO");
            let first = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            first.expect("schedstat begins with the time on a core")
        })
        .sum()
}

/// Returns the memory of `pid` and its descendants in KiB, with shared pages in proportion (Pss).
pub fn memory_kib(pid: u32) -> u64 {
    family(pid)
        .into_iter()
        .filter_map(|pid| std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok())
        .filter_map(|rollup| {
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        })
        .sum()
}

/// Returns the first two cores that this process may use: one for the measured program, one for load and upstream. If it has only
/// one, returns that core twice.
///
/// # Errors
/// The kernel's error.
pub fn cores() -> Result<[CpuSet; 2], String> {
    let allowed = sched_getaffinity(None).map_err(|error| format!("cannot ask for cores: {error}"))?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).map(|core| {
        let mut set = CpuSet::new();
        set.set(core);
        set
    });
    let first = cores.next().ok_or("no core to run on")?;
    Ok([first, cores.next().unwrap_or(first)])
}

/// Restricts this thread, and what it starts from now on, to `cores`.
///
/// # Errors
/// The kernel's error.
pub fn pin(cores: &CpuSet) -> Result<(), String> {
    sched_setaffinity(None, cores).map_err(|error| format!("cannot choose a core: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let this = std::process::id();
        let start = std::time::Instant::now();
        while cpu_nanoseconds(this) == 0 || cpu_seconds(this) == 0.0 {
            assert!(start.elapsed() < crate::net::START_DEADLINE, "no CPU time is seen");
        }
        assert!(memory_kib(this) > 100);
    }
}
