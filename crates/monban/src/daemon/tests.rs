//! The daemon with toy parts: starts and reloads that fail at every step.

use std::sync::Mutex;

use finding::Fault;
use serde::Deserialize;

use super::*;
use crate::config::{Document, Host, Section, SectionType};
use crate::part::{Entry, Part, Prepared, Running, changed};

/// The actions of the toys, in order. Tests run one after the other.
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn log(what: &str) {
    LOG.lock().unwrap().push(what.to_owned());
}

fn logged() -> Vec<String> {
    std::mem::take(&mut LOG.lock().unwrap())
}

/// The section of a toy, which selects the step that fails.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct First {
    first: Toy,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Second {
    second: Toy,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Toy {
    fails: String,
    address: String,
}

impl Section for First {
    const KEYS: &'static [&'static str] = &["first"];
}

impl Section for Second {
    const KEYS: &'static [&'static str] = &["second"];
}

macro_rules! toy {
    ($part:ident, $running:ident, $config:ident, $name:ident) => {
        struct $part;
        struct $running(Toy);

        impl Part for $part {
            type Config = $config;
            type Running = $running;
            const NAME: &'static str = stringify!($name);
            const REFERENCE: &'static str = "";

            fn check(_: &$config, _: &Host) -> Vec<Fault> {
                Vec::new()
            }

            async fn start(config: Arc<$config>, _: Arc<Spine>) -> Result<$running, Failure> {
                if config.$name.fails == "start" {
                    return Err(Failure::environment("no room", "make room"));
                }
                log(concat!("start ", stringify!($name)));
                Ok($running(config.$name.clone()))
            }
        }

        impl Running for $running {
            type Config = $config;

            async fn prepare(
                self: Arc<Self>,
                config: Arc<$config>,
                _: Arc<Host>,
            ) -> Result<Prepared, Failure> {
                match config.$name.fails.as_str() {
                    "prepare" => return Err(Failure::environment("no room", "make room")),
                    "panic" => panic!("a toy breaks"),
                    _ => log(concat!("prepare ", stringify!($name))),
                }
                let moves = config.$name.address != self.0.address;
                let swap = Prepared::swap(|| log(concat!("swap ", stringify!($name))));
                Ok(swap.with_restart(changed([(concat!(stringify!($name), ".address"), moves)])))
            }

            async fn stop(self: Arc<Self>) {
                assert!(self.0.fails != "stop", "a toy breaks");
                log(concat!("stop ", stringify!($name)));
            }
        }
    };
}

toy!(FirstPart, FirstRunning, First, first);
toy!(SecondPart, SecondRunning, Second, second);

const TOYS: Parts = Parts { all: &[&Entry::<FirstPart>::new(), &Entry::<SecondPart>::new()], load };

fn sections() -> Vec<SectionType> {
    TOYS.all.iter().map(|part| part.section()).collect()
}

fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path, &sections())
}

/// A configuration file in its own folder.
struct File(tempfile::TempDir);

impl File {
    fn new(text: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), format!("data_dir = \"data\"\n{text}")).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("monban.toml")
    }

    async fn start(&self) -> Result<Daemon, Failure> {
        Daemon::start(&self.path(), &load(&self.path())?, TOYS).await
    }
}

#[tokio::test]
async fn a_part_that_fails_to_start_names_itself_and_the_others_stop() {
    let _turn = TURN.lock().await;
    let file = File::new("second = { fails = \"start\" }\n");
    logged();
    let Err(failure) = file.start().await else { panic!("it starts") };
    assert_eq!(failure.to_string(), "second: no room");
    assert_eq!(logged(), ["start first", "stop first"]);
    let left = |name: &str| file.0.path().join("data").join(name).exists();
    assert!(!left("monban.pid") && !left("monban.sock"));
}

#[tokio::test]
async fn a_reload_prepares_all_parts_before_any_swaps() {
    let _turn = TURN.lock().await;
    let file = File::new("");
    let daemon = file.start().await.unwrap();
    logged();
    assert!(daemon.control.reload().await.unwrap().restart.is_empty());
    assert_eq!(logged(), ["prepare first", "prepare second", "swap first", "swap second"]);
    for (text, failure) in [
        ("second = { fails = \"prepare\" }\n", "second: no room"),
        (
            "second = { fails = \"panic\" }\n",
            "second: it panicked while it prepared the reload: a toy breaks",
        ),
    ] {
        file.write(text);
        let Err(refused) = daemon.control.reload().await else { panic!("it reloads") };
        assert_eq!(refused.to_string(), failure);
        assert_eq!(logged(), ["prepare first"], "nothing has changed");
    }
    // keys that need a restart are listed, including keys of the spine
    file.write("node = \"b\"\nfirst = { address = \"x\" }\n[retention]\ndays = 1\n");
    let restart = daemon.control.reload().await.unwrap().restart;
    let restart: Vec<String> = restart.iter().map(ToString::to_string).collect();
    assert_eq!(restart, ["first.address", "node", "retention.days"]);
    stop(&daemon.spine).await;
    daemon.spine.storage.stop();
}

#[tokio::test]
async fn reloads_come_one_after_the_other() {
    let _turn = TURN.lock().await;
    let file = File::new("");
    let daemon = file.start().await.unwrap();
    logged();
    let reload = || {
        let control = Arc::clone(&daemon.control);
        tokio::spawn(async move { control.reload().await.map(drop) })
    };
    let (one, other) = (reload(), reload());
    one.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    let once = ["prepare first", "prepare second", "swap first", "swap second"];
    assert_eq!(logged(), [once, once].concat());
    stop(&daemon.spine).await;
    daemon.spine.storage.stop();
}

#[tokio::test]
async fn a_part_that_breaks_at_stop_does_not_keep_others_from_stopping() {
    let _turn = TURN.lock().await;
    let file = File::new("second = { fails = \"stop\" }\n");
    let daemon = file.start().await.unwrap();
    logged();
    stop(&daemon.spine).await;
    assert_eq!(logged(), ["stop first"]);
    daemon.spine.storage.stop();
}

#[test]
fn a_section_with_ten_faults_reports_them_all() {
    let text: String = (0..10).map(|number| format!("wrong{number} = {number}\n")).collect();
    let file = File::new(&format!("[first]\n{text}"));
    let document = Document::open(&file.path()).unwrap();
    let faults = document.read(&sections()).faults;
    assert_eq!(faults.len(), 10);
    assert!(faults.iter().enumerate().all(|(number, fault)| fault.line == Some(number + 3)));
}
