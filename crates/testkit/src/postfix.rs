//! Postfix: a mail server that accepts mail only with TLS and authentication, and stores it in a folder.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ca::TestCa;
use crate::net::{START_DEADLINE, accepts, free_address, wait_until};
use crate::process::{Program, find, folder, is_root, shared_folder};

/// The only user who may send mail.
pub const USER: &str = "monban@test.example";
/// The user's password.
pub const PASSWORD: &str = "a pass\u{e9}word & more";
/// The only domain whose recipients have a mailbox; all others are refused.
pub const DOMAIN: &str = "test.example";

/// A running Postfix with its own configuration and queue.
#[derive(Debug)]
pub struct Postfix {
    program: Program,
    starttls: SocketAddr,
    tls: SocketAddr,
    folder: tempfile::TempDir,
}

impl Postfix {
    /// Starts Postfix on two free loopback ports and waits until both accept connections. Its certificate is for `localhost` and
    /// 127.0.0.1.
    ///
    /// # Panics
    /// If a package is missing (the message names it), if the process is not root (as Postfix's master requires), or if Postfix
    /// is not ready in time.
    pub fn start(ca: &TestCa) -> Self {
        assert!(is_root(), "Postfix's master process runs as root only");
        let folder = folder("testkit-postfix-");
        let (starttls, tls) = (free_address(), free_address());
        for name in ["queue", "sasl"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder in the temporary folder");
        }
        for name in ["data", "mail"] {
            shared_folder(folder.path(), name);
        }
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("a file in the temporary folder");
        };
        let identity = ca.server(&["localhost", "127.0.0.1"]);
        write("server.pem", &format!("{}{}", identity.key, identity.certificate));
        write("main.cf", &main_cf(folder.path()));
        write("master.cf", &master_cf(starttls, tls));
        write("sasl/smtpd.conf", &sasl_conf(folder.path()));
        add_user(&folder.path().join("sasl/sasldb2"));
        let program = run(folder.path(), starttls, tls);
        Self { program, starttls, tls, folder }
    }

    /// Returns the address of the port that is plain text until STARTTLS.
    pub fn starttls(&self) -> SocketAddr {
        self.starttls
    }

    /// Returns the address of the port that is TLS from the first byte.
    pub fn tls(&self) -> SocketAddr {
        self.tls
    }

    /// Stops Postfix; its mail stays.
    pub fn stop(&mut self) {
        self.program.terminate();
        // its children keep the sockets a little longer
        wait_until("Postfix's end", START_DEADLINE, || !accepts(self.starttls) && !accepts(self.tls));
    }

    /// Starts Postfix again at the same addresses.
    pub fn start_again(&mut self) {
        self.program = run(self.folder.path(), self.starttls, self.tls);
    }

    /// Returns the delivered mails as stored in the mailbox, in order of arrival.
    pub fn mails(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.folder.path().join("mail/inbox/new")) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a mailbox").path()).collect();
        paths.sort_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok());
        paths
            .iter()
            .map(|path| String::from_utf8_lossy(&std::fs::read(path).expect("a mail")).into_owned())
            .collect()
    }

    /// Returns the log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("data/mail.log")).unwrap_or_default()
    }
}

fn run(folder: &Path, starttls: SocketAddr, tls: SocketAddr) -> Program {
    // creates missing folders of the queue; `postfix start-fg` would hide the master behind a shell
    let checked = Command::new(find("postfix")).arg("-c").arg(folder).arg("check").output();
    let checked = checked
        .unwrap_or_else(|error| panic!("cannot start postfix: {error}; install the Debian package postfix"));
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "postfix check: {said}");
    let mut command = Command::new("/usr/lib/postfix/sbin/master");
    // -d: the master stays in its process group, and ends that group when it ends
    command.arg("-c").arg(folder).arg("-d");
    let mut program = Program::start(&mut command, "postfix", folder);
    program.wait_ready(|| accepts(starttls) && accepts(tls));
    program
}

fn add_user(database: &Path) {
    let (name, domain) = USER.split_once('@').expect("a constant");
    let mut command = Command::new(find("saslpasswd2"));
    command.arg("-c").arg("-p").arg("-f").arg(database).args(["-u", domain, name]).stdin(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("cannot start saslpasswd2: {error}; install the Debian package sasl2-bin"),
    };
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(PASSWORD.as_bytes()).expect("saslpasswd2 reads its input");
    drop(stdin);
    assert!(child.wait().expect("a child can be waited for").success(), "saslpasswd2 failed");
    // the user postfix reads it
    let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(database, everybody).expect("own file");
}

fn sasl_conf(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {folder}/sasl/sasldb2\nmech_list: PLAIN LOGIN\n"
    )
}

fn main_cf(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
maillog_file_prefixes = {folder}
maillog_file = {folder}/data/mail.log
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.{DOMAIN}
mydestination =
mynetworks =
alias_maps =
local_recipient_maps =
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {folder}/server.pem
smtpd_tls_key_file = {folder}/server.pem
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
cyrus_sasl_config_path = {folder}/sasl
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:inbox/
virtual_minimum_uid = 1
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"
    )
}

fn master_cf(starttls: SocketAddr, tls: SocketAddr) -> String {
    format!(
        "{starttls} inet n - n - - smtpd
{tls} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
smtp unix - - n - - smtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curl(ca: &Path, url: &str, login: &str, to: &str) -> std::process::Output {
        let mut child = Command::new("curl")
            .args(["-sS", "--max-time", "20", "--ssl-reqd", "--cacert"])
            .arg(ca)
            .args(["--mail-from", USER, "--mail-rcpt", to, "--user", login, "--upload-file", "-", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("curl; install the Debian package curl");
        child.stdin.take().unwrap().write_all(b"Subject: hello\r\n\r\nbody\r\n").unwrap();
        child.wait_with_output().unwrap()
    }

    #[test]
    fn takes_mail_with_tls_and_the_right_password_only() {
        let ca = TestCa::new();
        let mut postfix = Postfix::start(&ca);
        let file = postfix.folder.path().join("ca.pem");
        std::fs::write(&file, ca.certificate()).unwrap();
        let (starttls, tls) =
            (format!("smtp://{}", postfix.starttls()), format!("smtps://{}", postfix.tls()));
        let right = format!("{USER}:{PASSWORD}");
        let wrong = format!("{USER}:wrong");
        for (url, login, to, taken) in [
            (&starttls, &right, "a@test.example", true),
            (&tls, &right, "a@test.example", true),
            (&starttls, &wrong, "a@test.example", false),
            (&starttls, &right, "a@elsewhere.example", false),
        ] {
            let output = curl(&file, url, login, to);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.success(), taken, "{url} {to}: {said}\n{}", postfix.log());
        }
        wait_until("two mails", START_DEADLINE, || postfix.mails().len() == 2);
        assert!(postfix.mails()[0].contains("Subject: hello"));
        postfix.stop();
        assert!(!accepts(postfix.starttls()));
        postfix.start_again();
        assert!(accepts(postfix.starttls()));
    }
}
