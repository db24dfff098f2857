//! An event of a kind that no part of this program knows.

use super::*;

#[tokio::test]
async fn an_event_of_an_unknown_kind_goes_through_the_api() {
    let data_dir = tempfile::tempdir().unwrap();
    let json = r#"{"v":2,"id":"01KYD00000000000000000000Z","time":"2026-11-23T09:04:46.000000Z","node":"n","gate":"tea",
        "kind":"tea.spilt","outcome":"failed","severity":"notice","subject":"pot","actor":{"user":"alice"},
        "facts":[["cups",3]],"evidence":{"tea":{"z":1.50,"deep":{"n":12345678901234567890123}}}}"#;
    let event = Event::from_json(json.as_bytes()).unwrap();
    let journal = Journal::open(&store::journal_folder(data_dir.path()), JournalOptions::default()).unwrap();
    journal.append(&event).unwrap();
    let path = store::database_path(data_dir.path());
    let stored = Arc::new(store::SqliteStore::open(&path, store::sqlite::BUSY_TIMEOUT).unwrap());
    let mut ingest = store::Ingest::new(journal.folder(), stored).unwrap();
    ingest.catch_up(&mut |notice| panic!("{notice}")).unwrap();
    let (address, token, end) = served(data_dir.path(), Health::default()).await;
    let whole = event.to_json();
    let of_all =
        "/api/events?gate=tea&kind=tea.*&user=alice&subject=pot&fact=cups%3D2-4&category=tea.spilt&node=n";
    for (target, holds) in [
        ("/api/events", &*whole),
        ("/api/events/01KYD00000000000000000000Z", &whole),
        (of_all, &whole),
        ("/api/events?fact=cups%3D4-", "\"events\":[]"),
        ("/api/events?text=12345678901234567890123", &whole),
        ("/api/count?fact=cups%3D3", "\"count\":1,"),
        (
            "/api/overview?gate=tea&until=2026-11-23T10:00:00Z",
            "\"kinds\":[{\"gate\":\"tea\",\"kind\":\"tea.spilt\",\"count\":1}],\
             \"facts\":[{\"name\":\"cups=3\",\"count\":1},{\"name\":\"user=alice\",\"count\":1}]",
        ),
        (
            "/api/incidents",
            "\"property\":\"user\",\"actor\":\"alice\",\"target\":\"pot\",\
             \"categories\":[{\"category\":\"tea.spilt\",\"count\":1}]",
        ),
        ("/api/properties", "\"name\":\"fact\""),
    ] {
        let (status, body) = ask(address, target, "localhost", &token).await;
        assert_eq!(status, 200, "{target}: {body}");
        assert!(body.contains(holds), "{target} lacks {holds}: {body}");
    }
    end().await;
}
