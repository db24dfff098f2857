//! Reports the state of a watched file to the log, `/healthz` and `/metrics`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use event::Severity;
use finding::{Declaration, Finding, Text, table};

/// Damages of one file that are logged; further ones are only counted until the next start.
const MAX_LOGGED: u64 = 100;
/// Time for which `/healthz` shows a damage.
const SHOWN_FOR: Duration = Duration::from_secs(3600);

table! {
    /// The findings of watched files.
    pub FINDINGS: Declaration {
        /// A file cannot be followed.
        CANNOT_FOLLOW = Declaration::new(
            "watch.cannot_follow",
            Severity::Error,
            Text::new("A watched log cannot be read", "監視対象のログの読み取り不可"),
            Text::new(
                "monban cannot follow the log: {why}. Its new entries do not become events until then.",
                "ログを追跡できません: {why}。新しいエントリーは現在イベントになりません。",
            ),
            Text::new(
                "Check that {subject} exists and that monban's user may read it. monban continues where it stopped.",
                "{subject} が存在し、monban のユーザーが読み取れることを確認してください。解消後、中断した位置から再開します。",
            ),
        ).examples(&[("subject", Text::same("/var/log/apache2/modsec_audit.log")), ("why", Text::new("permission denied", "読み取り権限がありません"))]);
        /// A part of a file could not be read.
        DAMAGED = Declaration::new(
            "watch.damaged",
            Severity::Warning,
            Text::new("Entries of a watched log are missing", "監視対象のログのエントリー欠落"),
            Text::new(
                "monban could not read a part of {subject}: {what} ({damages} such places since the start).",
                "{subject} の一部を読み取れませんでした: {what}（起動後 {damages} 件）。",
            ),
            Text::new(
                "Look for the place in monban's log. `monban events import` reads entries that are still in a file. The finding clears within an hour.",
                "該当箇所を monban のログで確認してください。ファイルに残っているエントリーは `monban events import` で取り込めます。この表示は 1 時間で消えます。",
            ),
        ).examples(&[("subject", Text::same("/var/log/apache2/modsec_audit.log")), ("what", Text::new("an entry at byte 4096 has no end", "4096 バイト目のエントリーに終端がありません")), ("damages", Text::same("3"))]);
    }
}

/// The state of one watched file.
#[derive(Debug)]
pub(super) struct FileHealth {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The current error of following the file.
    failure: Option<String>,
    /// The last damage.
    last: Option<(Instant, String)>,
    damages: u64,
}

impl FileHealth {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports each failure once, and its end.
    pub fn outcome(&self, result: Result<(), String>) {
        let mut state = self.state();
        match result {
            Err(failure) if state.failure.as_ref() != Some(&failure) => {
                tracing::error!("{failure}");
                state.failure = Some(failure);
            }
            Err(_) => {}
            Ok(()) => {
                if state.failure.take().is_some() {
                    tracing::info!("following {} again", self.path.display());
                }
            }
        }
    }

    /// Reports permanently lost data, such as an unreadable section or a missing file.
    pub fn damage(&self, what: &str) {
        let mut state = self.state();
        state.damages += 1;
        if state.damages <= MAX_LOGGED {
            tracing::warn!("{}: {what}", self.path.display());
        }
        if state.damages == MAX_LOGGED {
            tracing::warn!("{}: further damage is only counted", self.path.display());
        }
        state.last = Some((Instant::now(), what.to_owned()));
    }

    /// Returns the number of damages since the start.
    pub fn damages(&self) -> u64 {
        self.state().damages
    }

    /// Returns findings of a recent damage and of a file that cannot be followed.
    pub fn findings(&self) -> Vec<Finding> {
        let state = self.state();
        let path = self.path.display().to_string();
        let failure = state.failure.iter().map(|why| CANNOT_FOLLOW.finding(&path).with("why", why.as_str()));
        let last = state.last.as_ref().filter(|(at, _)| at.elapsed() < SHOWN_FOR);
        let damage = last.map(|(_, what)| {
            DAMAGED.finding(&path).with("what", what.as_str()).with("damages", state.damages)
        });
        failure.chain(damage).collect()
    }
}
