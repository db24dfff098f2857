//! Runs the cases of tests/browser in Chromium, each with its own monban.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::monban::{self, Config};
use crate::net::free_address;
use crate::{Monban, Receiver, Reflector};

/// Files of tests with a scripted API that run at the same time, each with its own browser.
const FILES_AT_ONCE: usize = 2;

/// Returns the folder of the cases.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/browser")
}

/// Returns the names of all cases, in order.
///
/// # Panics
/// If the folder cannot be read.
pub fn cases() -> Vec<String> {
    let entries = std::fs::read_dir(folder().join("cases")).expect("the cases of the browser");
    let names = entries.filter_map(|entry| {
        entry.expect("a case").file_name().to_str()?.strip_suffix(".mjs").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Returns the folder web/ after checking that Node, Chromium and the npm packages are installed.
fn web() -> PathBuf {
    for (program, package) in [("node", "nodejs"), ("chromium", "chromium")] {
        let found =
            Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(found, "{program} does not run; install the Debian package {package}");
    }
    let web = folder().join("../../web");
    assert!(web.join("node_modules/playwright-core").is_dir(), "web/node_modules is not there: run make web");
    assert!(web.join("dist/index.html").is_file(), "web/dist is not built: run make web, then build monban");
    web
}

/// Runs the tests of pages with a scripted API: web/tests/browser.
///
/// # Panics
/// If a test fails, or for the reasons of [`run`].
pub fn run_over_fixture() {
    let folder = web().join("tests/browser");
    let entries = std::fs::read_dir(&folder).expect("the tests of pages");
    let mut tests: Vec<_> = entries.map(|entry| entry.expect("a test").path()).collect();
    tests.retain(|path| path.to_string_lossy().ends_with(".test.mjs"));
    tests.sort();
    let run = |test: &Path| {
        let name = test.file_name().unwrap_or_default().to_string_lossy();
        passed(&name, Command::new("node").arg("--test").arg(test));
    };
    // the gallery measures frames per second: nothing runs beside it
    let (alone, others): (Vec<_>, Vec<_>) =
        tests.into_iter().partition(|test| test.ends_with("gallery.test.mjs"));
    alone.iter().for_each(|test| run(test));
    // a test waits for its browser, retries and reconnections most of the time
    let others = Mutex::new(others.into_iter());
    let next = || others.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..FILES_AT_ONCE {
            scope.spawn(|| {
                while let Some(test) = next() {
                    run(&test);
                }
            });
        }
    });
}

fn passed(name: &str, command: &mut Command) {
    let output = command.output().expect("node was found before");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{name}:\n{said}");
    println!("{said}");
}

/// Starts a demonstration site, monban in front of it with the Core Rule Set and two notification channels (`hook` works, `dead`
/// fails), and runs the case `name` with Node and Chromium. The message of a failed case names the folder with its screenshots.
///
/// # Panics
/// If the case fails, or Node, Chromium or the packages in web/node_modules are missing.
pub fn run(name: &str) {
    web();
    let (site, hook) = (Reflector::start(), Receiver::start());
    let mut config = Config::new(site.address());
    config.extra = format!("[notify]\n[[notify.webhook]]\nname = \"hook\"\nurl = \"{}\"\n", hook.url());
    // the screenshots show no findings
    if name != "screenshots" {
        config.extra +=
            &format!("[[notify.webhook]]\nname = \"dead\"\nurl = \"http://{}/\"\n", free_address());
    }
    let monban = Monban::start(&config);
    let link = monban.command(&["console", "link"]);
    assert!(link.status.success(), "{}", String::from_utf8_lossy(&link.stderr));
    let pictures = std::env::temp_dir().join("monban-browser");
    std::fs::create_dir_all(&pictures).expect("a folder for pictures");
    let mut command = Command::new("node");
    command
        .arg(folder().join("run.mjs"))
        .arg(name)
        .env("MONBAN_CONSOLE", monban.console().to_string())
        .env("MONBAN_GATE", monban.address().to_string())
        .env("MONBAN_LINK", String::from_utf8_lossy(&link.stdout).trim())
        .env("MONBAN_BINARY", monban::binary())
        .env("MONBAN_CONFIG", monban.config_file())
        .env("MONBAN_FOLDER", &pictures)
        .env("MONBAN_IMAGES", folder().join("../../docs/images"));
    passed(&format!("{name} (pictures: {})", pictures.display()), &mut command);
}
