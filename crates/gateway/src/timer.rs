//! A timeout that costs almost nothing as long as nothing times out.
//!
//! tokio inserts each timer into a wheel under a shared lock and removes it after the wait. This timer stays in the wheel: a wait
//! that ends in time leaves it there. If it fires before the deadline of the current wait, it is set again. So a connection with
//! a thousand requests a second sets its timer about once in each timeout.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for consecutive waits. It allocates at the first wait that is not ready immediately.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

/// The wait exceeded its limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Timer {
    /// Waits for `step`, at most for `limit`.
    pub(crate) async fn within<T>(
        &mut self,
        limit: Duration,
        step: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let mut step = pin!(step);
        let mut deadline = None;
        poll_fn(|cx| {
            if let Poll::Ready(result) = step.as_mut().poll(cx) {
                return Poll::Ready(Ok(result));
            }
            let deadline = *deadline.get_or_insert_with(|| after(limit));
            self.poll(deadline, cx).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Waits until `deadline`.
    fn poll(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            // set for an earlier wait
            sleep.as_mut().reset(deadline);
        }
    }
}

/// Returns the time `limit` from now, or a distant time beyond the clock's range.
fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn what_is_ready_needs_no_timer() {
        let mut timer = Timer::default();
        assert_eq!(timer.within(Duration::ZERO, ready(7)).await, Ok(7));
        assert!(timer.0.is_none());
    }

    #[tokio::test]
    async fn each_wait_has_its_own_limit() {
        let mut timer = Timer::default();
        let (short, long) = (Duration::from_millis(5), Duration::from_secs(3600));
        let after_a_wait = async {
            tokio::task::yield_now().await;
            1
        };
        assert_eq!(timer.within(long, after_a_wait).await, Ok(1));
        // set for an hour by the previous wait; this one must not wait for it
        for _ in 0..3 {
            let began = Instant::now();
            assert_eq!(timer.within(short, pending::<()>()).await, Err(Elapsed));
            assert!(began.elapsed() >= short);
        }
        // set for five milliseconds by the previous wait; this one must not end with it
        let began = Instant::now();
        let slower = short * 2;
        assert_eq!(timer.within(slower, pending::<()>()).await, Err(Elapsed));
        assert!(began.elapsed() >= slower);
        assert_eq!(timer.within(Duration::MAX, ready(())).await, Ok(()));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut endless = pin!(timer.within(Duration::MAX, pending::<()>()));
        assert!(endless.as_mut().poll(&mut cx).is_pending());
    }
}
