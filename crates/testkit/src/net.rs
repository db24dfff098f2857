//! Free loopback ports, and waiting for something to become true.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// How long a program may take to start or to stop. Generous, because test machines are busy; a fixture goes on
/// as soon as its program is ready.
pub const START_DEADLINE: Duration = Duration::from_secs(60);

/// A loopback port that nothing listens on at the moment.
///
/// The kernel hands out ephemeral ports round-robin, so two calls do not meet; a program outside the test may
/// still take the port first, and then the fixture's program says so and the test fails.
pub fn free_port() -> u16 {
    free_address().port()
}

/// [`free_port`] as an address on 127.0.0.1.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port can be bound");
    listener.local_addr().expect("a bound socket has an address")
}

/// Asks `condition` until it holds.
///
/// # Panics
/// Once `deadline` has passed, with `what` in the message.
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
    fn two_free_ports_differ_and_can_be_bound() {
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
