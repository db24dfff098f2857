//! The protocols in front: each turns what the client sends into exchanges.

pub(crate) mod h1;
pub(crate) mod h2;

use std::time::{Duration, Instant};

use crate::config::ClientTimeouts;

/// Watches that a body makes progress: in each span of waiting, so many bytes. Time that the gate itself or the
/// upstream takes does not count.
#[derive(Debug)]
pub(crate) struct Pace {
    span: Duration,
    least: u64,
    waited: Duration,
    bytes: u64,
}

/// The body came more slowly than it must.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooSlow;

impl Pace {
    pub(crate) fn new(timeouts: &ClientTimeouts) -> Self {
        Self { span: timeouts.body, least: timeouts.body_bytes, waited: Duration::ZERO, bytes: 0 }
    }

    /// From here on only silence for `silence` is too slow.
    pub(crate) fn be_patient(&mut self, silence: Duration) {
        *self = Self { span: silence, least: 1, waited: Duration::ZERO, bytes: 0 };
    }

    /// Waits for `step`, which yields a number of bytes.
    pub(crate) async fn wait<T>(
        &mut self,
        step: impl Future<Output = T>,
        bytes: impl Fn(&T) -> usize,
    ) -> Result<T, TooSlow> {
        tokio::pin!(step);
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
        // the first span ends with its ten bytes, the second with none
        assert_eq!(pace.wait(std::future::pending::<usize>(), |n| *n).await, Err(TooSlow));
        assert_eq!((pace.bytes, pace.waited >= Duration::from_millis(20)), (0, true));
    }
}
