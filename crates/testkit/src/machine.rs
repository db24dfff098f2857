//! A whole Debian machine: systemd, units, timers, journal, logind and what a test installs.
//!
//! mmdebstrap makes the root of a release once and keeps it in the system's temporary folder for [`FRESH`]; each machine writes to
//! its own overlay. systemd-nspawn boots the machine in its own mount and network namespace, whose mounts end with the last
//! process: nothing reaches the host. The network has only a loopback until a test adds links.

use std::ffi::OsStr;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::net::{START_DEADLINE, wait_until};
use crate::process::{Program, folder};

/// Age up to which a root is used. An older one is made again, with the packages of that day.
const FRESH: Duration = Duration::from_secs(14 * 24 * 3600);

/// The packages of every machine: an init system, logins, the libraries and rules of monban, rpm, and readers of manual pages and
/// completions.
const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "sudo",
    "iproute2",
    "procps",
    "ca-certificates",
    "libpcre2-8-0",
    "modsecurity-crs",
    "rpm",
    "man-db",
    "bash-completion",
    "zsh",
    "fish",
];

/// Options of mmdebstrap. Without a file of its own, a machine takes its name from systemd-nspawn, not from the host.
const OPTIONS: &[&str] = &["--quiet", "--variant=minbase", "--customize-hook=rm \"$1/etc/hostname\""];

/// The shell script that boots a machine within its namespaces. Arguments: the folder with `upper`, `work` and `root`; the root of
/// the release; the machine's name; the hierarchies of control groups. systemd-nspawn's files in /run/systemd stay inside, too.
const BOOT: &str = r#"
set -eu
mount --make-rprivate /
mount -t overlay overlay -o lowerdir="$2",upperdir="$1/upper",workdir="$1/work" "$1/root"
mkdir -p /run/systemd
mount -t tmpfs -o mode=755 tmpfs /run/systemd
ip link set lo up
for hierarchy in $4; do
    mkdir "$hierarchy/$3"
    echo $$ >"$hierarchy/$3/cgroup.procs"
done
exec systemd-nspawn --quiet --boot --register=no --keep-unit --console=pipe --link-journal=no \
    --capability=CAP_NET_ADMIN --machine="$3" --directory="$1/root"
"#;

/// A release of Debian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Release {
    /// Debian 12: systemd 252, OpenSSH 9.2.
    Bookworm,
    /// Debian 13: systemd 257, OpenSSH 10.
    Trixie,
}

impl Release {
    /// Returns its code name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// Returns the root of the release. Makes it first if it is missing or stale; other processes wait meanwhile.
    fn root(self) -> Root {
        let mut hasher = DefaultHasher::new();
        (OPTIONS, PACKAGES).hash(&mut hasher);
        let cache = std::env::temp_dir().join("monban-testkit-machines");
        std::fs::create_dir_all(&cache).expect("the temporary folder can be written to");
        let owner = std::fs::metadata(&cache).expect("the folder was made").uid();
        assert_eq!(owner, rustix::process::geteuid().as_raw(), "{} belongs to another user", cache.display());
        // systemd reads folders on the way to its root as users without privileges
        std::fs::set_permissions(&cache, std::fs::Permissions::from_mode(0o755)).expect("own folder");
        let path = cache.join(format!("{}-{:016x}", self.name(), hasher.finish()));
        kept(&path, FRESH, |unfinished| self.make(unfinished))
    }

    /// Installs the release into a new folder.
    fn make(self, folder: &Path) {
        let made = Command::new("mmdebstrap")
            .args(OPTIONS)
            .arg(format!("--include={}", PACKAGES.join(",")))
            .arg(self.name())
            .arg(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| {
                panic!("cannot start mmdebstrap: {error}; install the Debian package mmdebstrap")
            });
        assert!(made.status.success(), "mmdebstrap: {}", String::from_utf8_lossy(&made.stderr));
    }
}

/// A root that is not removed while this value exists.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// Holds the shared lock. A process that makes or removes the root needs the exclusive one.
    _lock: File,
}

/// Returns the folder `path`, made by `make` if it is missing or older than `fresh`. A stale folder that somebody uses is kept.
fn kept(path: &Path, fresh: Duration, make: impl Fn(&Path)) -> Root {
    loop {
        let lock = File::create(path.with_extension("lock")).expect("a lock file can be made");
        lock.lock_shared().expect("a lock file can be locked");
        if is_fresh(path, fresh) {
            return Root { path: path.to_owned(), _lock: lock };
        }
        lock.unlock().expect("own lock");
        if path.is_dir() {
            if lock.try_lock().is_err() {
                lock.lock_shared().expect("a lock file can be locked");
                return Root { path: path.to_owned(), _lock: lock };
            }
        } else {
            lock.lock().expect("a lock file can be locked");
        }
        // another process may have made it while this one waited
        if !is_fresh(path, fresh) {
            let unfinished = path.with_extension("unfinished");
            for folder in [path, &unfinished].into_iter().filter(|folder| folder.exists()) {
                std::fs::remove_dir_all(folder).expect("nobody uses a folder whose lock is held");
            }
            make(&unfinished);
            // the age counts from here
            let made = path.with_extension("made");
            File::create(&made)
                .and_then(|file| file.set_modified(std::time::SystemTime::now()))
                .expect("a file");
            std::fs::rename(&unfinished, path).expect("the root has its final name");
        }
    }
}

/// Whether a finished root exists that is young enough.
fn is_fresh(path: &Path, fresh: Duration) -> bool {
    let made = std::fs::metadata(path.with_extension("made")).and_then(|metadata| metadata.modified());
    path.is_dir() && made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age < fresh))
}

/// A running machine. Dropping it powers it off, as systemd-nspawn does on TERM, and removes what it wrote.
#[derive(Debug)]
pub struct Machine {
    _nspawn: Program,
    /// The machine's process 1, by its number on the host.
    leader: u32,
    _groups: ControlGroups,
    /// The overlay. It is removed after systemd-nspawn has ended.
    folder: tempfile::TempDir,
    _root: Root,
}

impl Machine {
    /// Boots a machine, and waits until its units run.
    ///
    /// # Panics
    /// Without root's rights, mmdebstrap or systemd-nspawn, and where a unit fails.
    pub fn boot(release: Release) -> Self {
        let root = release.root();
        let folder = folder("monban-machine-");
        for name in ["upper", "work", "root"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder in the temporary folder");
        }
        let mut command = Command::new("unshare");
        command.args(["--mount", "--net", "sh", "-c", BOOT, "boot"]);
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("monban-{}-{number}", std::process::id());
        let groups = ControlGroups::new(name);
        command.arg(folder.path()).arg(&root.path).arg(&groups.name).arg(groups.hierarchies.join(" "));
        let mut nspawn = Program::start(&mut command, "util-linux and systemd-container", folder.path());
        let mut leader = 0;
        let pid = nspawn.pid();
        nspawn.wait_ready(|| {
            leader = init_of(pid).unwrap_or(leader);
            leader != 0
        });
        let machine = Self { _nspawn: nspawn, leader, _groups: groups, folder, _root: root };
        let mut state = String::new();
        wait_until("the machine to be up", START_DEADLINE, || {
            state = machine.output(["systemctl", "is-system-running"]);
            matches!(state.trim(), "running" | "degraded")
        });
        assert_eq!(state.trim(), "running", "{}", machine.output(["systemctl", "--failed", "--no-pager"]));
        machine
    }

    /// Runs a command inside, as root, and returns its output.
    pub fn run<S: AsRef<OsStr>>(&self, command: impl IntoIterator<Item = S>) -> Output {
        Command::new("nsenter")
            .args(["--target", &self.leader.to_string(), "--all", "--"])
            .args(command)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| {
                panic!("cannot start nsenter: {error}; install the Debian package util-linux")
            })
    }

    /// Runs a command inside and returns its standard output, whatever its exit code.
    pub fn output<S: AsRef<OsStr>>(&self, command: impl IntoIterator<Item = S>) -> String {
        String::from_utf8_lossy(&self.run(command).stdout).into_owned()
    }

    /// Runs a shell script inside and returns its standard output.
    ///
    /// # Panics
    /// If a command of the script fails; the message shows what it wrote to standard error.
    pub fn shell(&self, script: &str) -> String {
        let output = self.run(["sh", "-euc", script]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{script}` ended with {}: {said}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Returns the path by which the host reaches a file of the machine.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.leader)).join(inside.trim_start_matches('/'))
    }

    /// Copies a file of the host into the machine, with its mode.
    ///
    /// # Panics
    /// If it cannot be read or written.
    pub fn copy(&self, file: &Path, inside: &str) {
        std::fs::copy(file, self.path(inside)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Writes a file inside.
    ///
    /// # Panics
    /// If its folder does not exist.
    pub fn write(&self, inside: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(inside), content).unwrap_or_else(|error| panic!("{inside}: {error}"));
    }

    /// Calls `function` on a thread in the machine's network namespace. The sockets and threads that it makes stay there.
    pub fn in_network<T: Send>(&self, function: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.leader)).expect("the machine runs");
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("root may enter a network namespace");
                function()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Returns the folder that holds the machine's overlay.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the console's output.
    pub fn console(&self) -> String {
        std::fs::read(self.folder.path().join("unshare.stdout"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }
}

/// The control groups of a machine, a name in each hierarchy that systemd uses. Two machines would else share one group. Dropping
/// it removes them.
#[derive(Debug)]
struct ControlGroups {
    name: String,
    hierarchies: Vec<&'static str>,
}

impl ControlGroups {
    fn new(name: String) -> Self {
        let all = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
        let is_hierarchy = |path: &&str| Path::new(path).join("cgroup.procs").exists();
        Self { name, hierarchies: all.into_iter().filter(is_hierarchy).collect() }
    }
}

impl Drop for ControlGroups {
    fn drop(&mut self) {
        let patience = Instant::now() + Duration::from_secs(10);
        for group in self.hierarchies.iter().map(|hierarchy| Path::new(hierarchy).join(&self.name)) {
            // the kernel may still be about to end its last processes
            while group.exists() && remove_group(&group).is_err() && Instant::now() < patience {
                thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

/// Removes a control group and those in it.
fn remove_group(group: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(group)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_group(&path)?;
        }
    }
    std::fs::remove_dir(group)
}

/// Returns the child of systemd-nspawn that runs the machine's init; before, it has others.
fn init_of(nspawn: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{nspawn}/task/{nspawn}/children")).ok()?;
    let is_init = |child: &&str| {
        std::fs::read_to_string(format!("/proc/{child}/comm")).is_ok_and(|name| name.trim_end() == "systemd")
    };
    children.split_whitespace().find(is_init)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_made_once_and_again_when_it_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let (path, count) = (folder.path().join("root"), AtomicUsize::new(0));
        let make = |unfinished: &Path| {
            count.fetch_add(1, Ordering::SeqCst);
            std::fs::create_dir(unfinished).unwrap();
            std::fs::write(unfinished.join("number"), count.load(Ordering::SeqCst).to_string()).unwrap();
        };
        let number = || std::fs::read_to_string(path.join("number")).unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| kept(&path, FRESH, make));
            }
        });
        assert_eq!((number().as_str(), count.load(Ordering::SeqCst)), ("1", 1));
        // a crash left half of another one
        std::fs::create_dir(path.with_extension("unfinished")).unwrap();
        let used = kept(&path, FRESH, make);
        let made = File::options().write(true).open(path.with_extension("made")).unwrap();
        made.set_modified(std::time::SystemTime::now() - 2 * FRESH).unwrap();
        let _stale_but_used = kept(&path, FRESH, make);
        assert_eq!(number(), "1");
        drop((used, _stale_but_used));
        kept(&path, FRESH, make);
        assert_eq!((number().as_str(), count.load(Ordering::SeqCst)), ("2", 2));
    }
}
