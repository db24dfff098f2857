//! Free loopback ports, and waiting for a condition.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Time for a program to start or to stop. It is generous, because test machines are busy; a fixture continues as soon as its
/// program is ready.
pub const START_DEADLINE: Duration = Duration::from_secs(60);

/// Ports of fixtures. They are below those that the kernel assigns to outgoing connections and to port 0 (32768 and above), so
/// that neither can take a port between our check and the program's bind.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// Locks of the ports that this process has reserved. Tests run in many processes at once; a lock file for each port reserves it
/// until the process ends.
static GIVEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Returns a loopback port that has no listener and that no other test gets while this process lives.
///
/// # Panics
/// If no port is free, or no file can be created in the temporary folder.
pub fn free_port() -> u16 {
    let folder = std::env::temp_dir().join("monban-testkit-ports");
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written to");
    let count = usize::from(PORTS.end - PORTS.start);
    let start = RandomState::new().build_hasher().finish() % u64::from(PORTS.end - PORTS.start);
    let start = usize::try_from(start).expect("fewer than 2^16 ports");
    for port in PORTS.cycle().skip(start).take(count) {
        let lock = File::create(folder.join(port.to_string())).expect("a lock file can be made");
        if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            GIVEN.lock().expect("nobody panics while holding it").push(lock);
            return port;
        }
    }
    panic!("every port from {} to {} is taken", PORTS.start, PORTS.end);
}

/// Returns a [`free_port`] as an address on 127.0.0.1.
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// Waits until `condition` is true.
///
/// # Panics
/// After `deadline`, with `what` in the message.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    let mut pause = Duration::from_micros(100);
    while !condition() {
        assert!(start.elapsed() < deadline, "gave up after {deadline:?} waiting for {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Whether something accepts connections at `address`.
pub fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_bound() {
        let (a, b) = (free_port(), free_port());
        assert_ne!(a, b);
        TcpListener::bind((Ipv4Addr::LOCALHOST, a)).unwrap();
        TcpListener::bind((Ipv4Addr::LOCALHOST, b)).unwrap();
    }

    #[test]
    fn waiting_ends_when_the_condition_holds() {
        let mut asked = 0;
        wait_until("the third answer", START_DEADLINE, || {
            asked += 1;
            asked == 3
        });
        assert_eq!(asked, 3);
    }

    #[test]
    #[should_panic(expected = "waiting for rain")]
    fn waiting_gives_up() {
        wait_until("rain", Duration::ZERO, || false);
    }
}
