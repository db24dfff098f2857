//! The minimum speed of a client that sends a body or reads a response.

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::config::ClientTimeouts;

/// Checks that a body or a response progresses: by a number of bytes in each period of waiting for the client. Time that the gate
/// or the upstream needs does not count.
#[derive(Debug)]
pub(crate) struct Pace {
    span: Duration,
    least: u64,
    waited: Duration,
    bytes: u64,
}

/// The client is slower than the pace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Pace {
    /// Returns the required pace of a request body.
    pub(crate) fn new(timeouts: &ClientTimeouts) -> Self {
        Self { span: timeouts.body, least: timeouts.body_bytes, waited: Duration::ZERO, bytes: 0 }
    }

    /// Returns the required pace of a response.
    pub(crate) fn of_answer(timeouts: &ClientTimeouts) -> Self {
        Self { span: timeouts.write, least: timeouts.write_bytes, waited: Duration::ZERO, bytes: 0 }
    }

    /// From now on, allows any speed, but fails after a silence of `silence`.
    pub(crate) fn be_patient(&mut self, silence: Duration) {
        *self = Self { span: silence, least: 1, waited: Duration::ZERO, bytes: 0 };
    }

    /// Waits for `step`, which returns a number of bytes.
    pub(crate) async fn wait<T>(
        &mut self,
        step: impl Future<Output = T>,
        bytes: impl Fn(&T) -> usize,
    ) -> Result<T, TooSlow> {
        tokio::pin!(step);
        // most steps are ready immediately and need no timer
        let ready = poll_fn(|cx| match step.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(result) = ready.await {
            self.bytes += bytes(&result) as u64;
            return Ok(result);
        }
        loop {
            let left = self.span.saturating_sub(self.waited);
            let started = Instant::now();
            let result = tokio::time::timeout(left, &mut step).await;
            self.waited += started.elapsed();
            if let Ok(result) = result {
                self.bytes += bytes(&result) as u64;
                return Ok(result);
            }
            if self.bytes < self.least {
                return Err(TooSlow);
            }
            self.waited = Duration::ZERO;
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(&ClientTimeouts {
            body: Duration::from_millis(20),
            body_bytes: 10,
            ..ClientTimeouts::default()
        })
    }

    #[tokio::test]
    async fn silence_is_too_slow() {
        assert_eq!(pace().wait(std::future::pending::<usize>(), |n| *n).await, Err(TooSlow));
    }

    #[tokio::test]
    async fn a_span_with_enough_bytes_begins_another() {
        let mut pace = pace();
        assert_eq!(pace.wait(std::future::ready(10), |n| *n).await, Ok(10));
        // the first period has its ten bytes, the second has none
        assert_eq!(pace.wait(std::future::pending::<usize>(), |n| *n).await, Err(TooSlow));
        assert_eq!((pace.bytes, pace.waited >= Duration::from_millis(20)), (0, true));
    }

    #[tokio::test]
    async fn c15_a_client_that_trickles_is_too_slow() {
        let mut pace = pace();
        let mut taken = 0;
        // one byte after each wait: no period has its ten bytes
        let slow = loop {
            let step = async {
                tokio::time::sleep(Duration::from_millis(7)).await;
                1
            };
            match pace.wait(step, |bytes| *bytes).await {
                Ok(bytes) => taken += bytes,
                Err(slow) => break slow,
            }
        };
        assert_eq!(slow, TooSlow);
        assert!(taken < 10, "{taken}");
    }
}
