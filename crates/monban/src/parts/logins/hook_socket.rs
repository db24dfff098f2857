//! The daemon's end of the hook: a socket on which every local user may report a login.
//!
//! The kernel names the sender's uid (SO_PEERCRED, unix(7)). A sender that is slow, or sends much, is left; nobody waits
//! for an answer.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use login::hook::HookReport;
use login::limits::MAX_HOOK_BYTES;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::Stop;
use super::keeper::Keeper;

/// Reports that are read at a time; a further sender is left at once.
const MAX_SENDERS: usize = 32;
/// Time for one report.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time after an error before the next try to listen, and between two looks at the socket's file.
const RETRY: Duration = Duration::from_secs(5);
/// Bytes of /etc/passwd.
const MAX_PASSWD_BYTES: u64 = 4 * 1024 * 1024;

/// Listens until `stop`.
pub async fn listen(keeper: Arc<Keeper>, path: PathBuf, mut stop: Stop) {
    let name = path.display().to_string();
    let senders = Arc::new(Semaphore::new(MAX_SENDERS));
    loop {
        let listener = match bind(&path) {
            Ok(listener) => {
                keeper.set_readable(&name, Ok(()));
                listener
            }
            Err(error) => {
                keeper.set_readable(&name, Err(error.to_string()));
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => continue,
                    () = stop.stopped() => return,
                }
            }
        };
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    if let Ok((stream, _)) = accepted
                        && let Ok(permit) = Arc::clone(&senders).try_acquire_owned()
                    {
                        let keeper = Arc::clone(&keeper);
                        tokio::spawn(async move {
                            let _ended = tokio::time::timeout(PATIENCE, read(&keeper, stream)).await;
                            drop(permit);
                        });
                    }
                }
                // somebody may have removed the socket
                () = tokio::time::sleep(RETRY) => if !path.exists() { break },
                () = stop.stopped() => {
                    let _gone = std::fs::remove_file(&path);
                    return;
                }
            }
        }
    }
}

/// Listens on a path, in the place of a socket that an earlier run left.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    // the uid of a sender counts, not the permission to send
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// Reads one report.
async fn read(keeper: &Keeper, stream: UnixStream) {
    let Ok(sender) = stream.peer_cred() else { return };
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_HOOK_BYTES).unwrap_or(u64::MAX) + 1;
    if stream.take(limit).read_to_end(&mut bytes).await.is_err() {
        return;
    }
    match HookReport::parse(&bytes) {
        Ok(report) => {
            let uid = sender.uid();
            let name = if uid == 0 { None } else { account(uid).await };
            keeper.hook(&report, uid, name.as_deref());
        }
        Err(error) => tracing::debug!("cannot read a login report of the user {}: {error}", sender.uid()),
    }
}

/// Returns the account of a uid in /etc/passwd.
async fn account(uid: u32) -> Option<String> {
    let read = || store::regular_file::read(Path::new("/etc/passwd"), MAX_PASSWD_BYTES);
    let passwd = tokio::task::spawn_blocking(read).await.ok()?.ok()?;
    account_in(&String::from_utf8_lossy(&passwd), uid)
}

fn account_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, number) = (fields.next()?, fields.next()?, fields.next()?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::tests::keeper;
    use super::*;

    #[test]
    fn an_account_is_found_by_its_uid() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(account_in(passwd, 1000).as_deref(), Some("alice"));
        assert_eq!(account_in(passwd, 1001), None);
    }

    #[tokio::test]
    async fn a_report_is_read_whatever_others_do() {
        let folder = tempfile::tempdir().unwrap();
        let (keeper, events) = keeper(folder.path());
        let path = folder.path().join("hook.sock");
        std::fs::write(folder.path().join("left"), "").unwrap();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (stopping, stop) = super::super::stop();
        let task = tokio::spawn(listen(Arc::clone(&keeper), path.clone(), stop));
        let connect = || std::os::unix::net::UnixStream::connect(&path);
        let mut silent = loop {
            match connect() {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        for bytes in [vec![b'x'; 10 * MAX_HOOK_BYTES], b"[]".to_vec()] {
            // the daemon may close before everything is sent
            let _refused = connect().unwrap().write_all(&bytes);
        }
        let report =
            HookReport { user: "alice".into(), address: "203.0.113.7".into(), ..HookReport::default() };
        connect().unwrap().write_all(&serde_json::to_vec(&report).unwrap()).unwrap();
        let event = loop {
            // this test is root, or the user alice is not its own: then the report is counted as forged
            keeper.tick();
            if let Some(event) = events.take().pop() {
                break event;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(event.gate.as_str(), "login");
        silent.write_all(b"x").unwrap();
        stopping.send(true).unwrap();
        task.await.unwrap();
        assert!(!path.exists());
    }
}
