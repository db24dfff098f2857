//! Writes received events to the journal. All waiting events share one write and one disk sync; their requests get a response
//! after that.

use std::sync::Arc;

use event::Event;
use store::{Accepted, Alias, Intake};
use tokio::sync::{mpsc, oneshot};

/// Events in the queue. Beyond it, requests wait.
const QUEUE: usize = 1024;
/// Events in one write.
const BATCH: usize = 512;

type Answer = Result<Accepted, String>;

/// The queue of the writing thread.
pub(super) struct Committer {
    queue: mpsc::Sender<Waiting>,
}

type Waiting = ((Event, Option<Alias>), oneshot::Sender<Answer>);

impl Committer {
    /// Starts the thread. It ends when the last handle of its queue is dropped.
    pub(crate) fn start(intake: Arc<Intake>) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        std::thread::Builder::new().name("receiver".into()).spawn(move || run(&intake, waiting))?;
        Ok(Self { queue })
    }

    /// Returns when the event is on disk, or was already stored.
    pub(crate) async fn commit(&self, event: Event, alias: Option<Alias>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let ended = || "the writing thread has ended".to_owned();
        self.queue.send(((event, alias), answer)).await.map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}

fn run(intake: &Intake, mut waiting: mpsc::Receiver<Waiting>) {
    let mut taken = Vec::new();
    while waiting.blocking_recv_many(&mut taken, BATCH) > 0 {
        let (events, answers): (Vec<_>, Vec<oneshot::Sender<Answer>>) = taken.drain(..).unzip();
        let (events, aliases): (Vec<Event>, Vec<Option<Alias>>) = events.into_iter().unzip();
        let accepted = intake.accept_unless(events, &aliases, true).map_err(|error| error.to_string());
        for (place, answer) in answers.into_iter().enumerate() {
            let one = match &accepted {
                Ok(accepted) => {
                    accepted.get(place).copied().ok_or_else(|| "no answer for this event".to_owned())
                }
                Err(error) => Err(error.clone()),
            };
            // the client may have left; the event is stored anyway
            let _ = answer.send(one);
        }
    }
}
