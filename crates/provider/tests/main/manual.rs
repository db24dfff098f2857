//! A person who sets records.

use std::sync::{Arc, Mutex};

use provider::{Action, Cause, Confirm, Record, RecordType, Task};
use spine::clock::BoxFuture;

use crate::rig::{context, new, provider};

/// A person who notes every task, and refuses removals.
#[derive(Debug, Default)]
struct Person(Mutex<Vec<String>>);

impl Confirm for Person {
    fn confirm<'a>(&'a self, task: &'a Task) -> BoxFuture<'a, Result<(), String>> {
        self.0.lock().unwrap().push(task.to_string());
        let refused = task.action == Action::Remove;
        Box::pin(async move { if refused { Err("not now".to_owned()) } else { Ok(()) } })
    }
}

#[tokio::test]
async fn a_person_is_asked_and_may_refuse() {
    let person = Arc::new(Person::default());
    let context = context().0.with_confirm(Arc::clone(&person) as Arc<dyn Confirm>);
    let provider = provider("provider = \"manual\"", "", &context);
    assert!(provider.needs_a_person() && !provider.lists());
    let zone = provider.zone("_acme-challenge.example.test").await.unwrap();
    let record = Record::txt("_acme-challenge.example.test", "a\"b");
    let stored = new(provider.add(&zone, &record).await.unwrap());
    assert_eq!(provider.records(&zone, &record.name, RecordType::Txt).await.unwrap(), []);
    assert_eq!(provider.zones().await.unwrap(), []);
    let error = provider.remove(&stored).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "manual: cannot remove _acme-challenge.example.test TXT: the person: not now; set the record and confirm it"
    );
    let line = "\n\n    _acme-challenge.example.test. 60 IN TXT \"a\\\"b\"";
    assert_eq!(
        *person.0.lock().unwrap(),
        [
            format!("add this record beside any others at its name:{line}"),
            format!("remove this record, and leave others at its name:{line}")
        ]
    );
}

#[tokio::test]
async fn nobody_is_there() {
    let (context, _) = context();
    let provider = provider("provider = \"manual\"", "", &context);
    let zone = provider.zone("example.test").await.unwrap();
    let error = provider.add(&zone, &Record::txt("example.test", "v")).await.unwrap_err();
    assert_eq!(
        error.cause,
        Cause::Declined("no person can set the record here; run the command on a terminal".into())
    );
    let error = provider.add(&zone, &Record::txt("example.org", "v")).await.unwrap_err();
    assert!(error.to_string().contains("not within the zone"), "{error}");
}
