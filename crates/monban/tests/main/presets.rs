//! Presets of sites with the programs that they are for: Git and a WebDAV server behind a gate that blocks with the
//! Core Rule Set.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use testkit::crs::{CRS_RULES, CRS_SETUP};
use testkit::monban::Config;
use testkit::net::{accepts, free_address};
use testkit::process::{Program, find, is_root, shared_folder};
use testkit::{Monban, Reflector};

use crate::support::BINARY;

/// Starts Apache with Git over HTTP at /git/ and WebDAV at /dav/, both in `folder`/data.
fn apache(folder: &Path) -> (Program, SocketAddr) {
    let address = free_address();
    let data = shared_folder(folder, "data");
    let (folder_shown, data) = (folder.display(), data.display());
    let backend = "/usr/lib/git-core/git-http-backend";
    assert!(Path::new(backend).exists(), "{backend} is missing; install the Debian package git");
    let user = if is_root() { "User www-data\nGroup www-data\n" } else { "" };
    let modules: String =
        ["mpm_prefork", "authz_core", "alias", "env", "cgi", "dav", "dav_fs", "dav_lock", "setenvif"]
            .map(|name| format!("LoadModule {name}_module mod_{name}.so\n"))
            .concat();
    let text = format!(
        "ServerRoot /usr/lib/apache2/modules\nDefaultRuntimeDir {folder_shown}\nPidFile {folder_shown}/apache.pid\n\
         Mutex file:{data} default\nListen {address}\nServerName localhost\nErrorLog {folder_shown}/error.log\n\
         Timeout 60\n{modules}{user}DocumentRoot {data}\nDavLockDB {data}/locks\n\
         SetEnv GIT_PROJECT_ROOT {data}\nSetEnv GIT_HTTP_EXPORT_ALL\nSetEnv GIT_CONFIG_COUNT 1\n\
         SetEnv GIT_CONFIG_KEY_0 safe.directory\nSetEnv GIT_CONFIG_VALUE_0 *\n\
         ScriptAlias /git/ {backend}/\nAlias /dav {data}/dav\n\
         <Directory />\nRequire all granted\n</Directory>\n<Directory {data}/dav>\nDav On\n</Directory>\n"
    );
    std::fs::create_dir_all(folder.join("data/dav")).unwrap();
    open_to_all(&folder.join("data/dav"));
    let file = folder.join("apache.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(find("apache2"));
    command.args(["-DFOREGROUND", "-f"]).arg(&file);
    let mut program = Program::start(&mut command, "apache2", folder);
    program.wait_ready(|| accepts(address));
    (program, address)
}

/// Makes a folder accessible to all, because Apache's children may run as another user.
fn open_to_all(folder: &Path) {
    let output = Command::new("chmod").args(["-R", "a+rwX"]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn gate(upstream: SocketAddr, preset: &str) -> Monban {
    let waf = if preset.is_empty() { "block".to_owned() } else { format!("block\"\npreset = \"{preset}") };
    Monban::start(&Config { waf, ..Config::new(upstream) })
}

fn git(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments).env("HOME", folder);
    for (name, value) in [
        ("GIT_TERMINAL_PROMPT", "0"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A"),
        ("GIT_AUTHOR_EMAIL", "a@example.org"),
        ("GIT_COMMITTER_NAME", "A"),
        ("GIT_COMMITTER_EMAIL", "a@example.org"),
        ("no_proxy", "*"),
    ] {
        command.env(name, value);
    }
    command.output().expect("git; install the Debian package git")
}

fn done(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns curl's status, or `-` and the received data after a failure.
fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--noproxy", "*"])
        .args(arguments)
        .output();
    done(output.expect("curl; install the Debian package curl"))
}

/// Returns incompressible bytes.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[test]
fn a9_git_pushes_and_clones_50_mb_behind_the_core_rule_set() {
    let folder = testkit::process::folder("monban-git-");
    let (_apache, upstream) = apache(folder.path());
    let path = folder.path();
    done(git(path, &["init", "-q", "--bare", "-b", "main", "data/repo.git"]));
    done(git(&path.join("data/repo.git"), &["config", "http.receivepack", "true"]));
    open_to_all(&path.join("data/repo.git"));
    done(git(path, &["init", "-q", "-b", "main", "work"]));
    let work = path.join("work");
    std::fs::write(work.join("big.bin"), noise(50_000_000)).unwrap();
    std::fs::write(work.join("notes.txt"), "<script>alert(1)</script> union select 1 from users--").unwrap();
    done(git(&work, &["add", "."]));
    done(git(&work, &["commit", "-q", "-m", "Begin"]));

    let plain = gate(upstream, "");
    let url = |gate: &Monban| format!("http://localhost:{}/git/repo.git", gate.address().port());
    assert!(!git(&work, &["push", "-q", &url(&plain), "main"]).status.success());
    drop(plain);

    let gate = gate(upstream, "git");
    done(git(&work, &["push", "-q", &url(&gate), "main"]));
    let head = |folder: &Path| done(git(folder, &["rev-parse", "main"]));
    assert_eq!(
        done(git(path, &["--git-dir=data/repo.git", "-c", "safe.directory=*", "rev-parse", "main"])),
        head(&work)
    );
    done(git(path, &["clone", "-q", &url(&gate), "copy"]));
    assert_eq!(head(&path.join("copy")), head(&work));
    assert!(std::fs::read(path.join("copy/big.bin")).unwrap() == noise(50_000_000));
    // many small objects: git compresses the negotiation
    for number in 0..60 {
        done(git(&work, &["commit", "-q", "--allow-empty", "-m", &number.to_string()]));
    }
    done(git(&work, &["push", "-q", &url(&gate), "main"]));
    done(git(&path.join("copy"), &["fetch", "-q"]));

    // attacks on the same site
    let base = url(&gate);
    let pack = "Content-Type: application/x-git-receive-pack-request";
    let query = format!("{base}/info/refs?service=<script>alert(1)</script>");
    let above = format!("{base}/../../login");
    let push = format!("{base}/git-receive-pack");
    let hidden = format!("{base}/..;/x/git-receive-pack");
    let (sql, script) = ("q=1' union select 1,2 from users--", "q=<script>alert(1)</script>");
    let attacks: [&[&str]; 4] = [
        &[&query, "-g"],
        &[&above, "--path-as-is", "-H", pack, "-d", sql],
        &[&push, "-d", script],
        &[&hidden, "--path-as-is", "-H", pack, "-d", script],
    ];
    for arguments in attacks {
        assert_eq!(curl(arguments), "403", "{arguments:?}");
    }
}

#[test]
fn a9_webdav_works_behind_the_core_rule_set() {
    let folder = testkit::process::folder("monban-dav-");
    let (_apache, upstream) = apache(folder.path());
    let file = folder.path().join("upload");
    // content of a file that must not trigger rules
    let leak =
        b"<?php system($_GET['x']); ?> ORA-00933 <script>alert(1)</script> union select 1 from users--";
    let content = [&leak[..], &noise(20_000_000)].concat();
    std::fs::write(&file, &content).unwrap();
    let file = file.to_str().unwrap();

    let plain = gate(upstream, "");
    let base = format!("http://localhost:{}/dav", plain.address().port());
    assert_eq!(curl(&["-X", "MKCOL", &format!("{base}/a")]), "403");
    assert_ne!(curl(&["-T", file, &format!("{base}/a.bin")]), "201");
    drop(plain);

    let gate = gate(upstream, "webdav");
    let base = format!("http://localhost:{}/dav", gate.address().port());
    let find = "<?xml version=\"1.0\"?><D:propfind xmlns:D=\"DAV:\"><D:prop><D:getlastmodified/><D:resourcetype/></D:prop></D:propfind>";
    let lock = "<?xml version=\"1.0\"?><D:lockinfo xmlns:D=\"DAV:\"><D:lockscope><D:exclusive/></D:lockscope>\
        <D:locktype><D:write/></D:locktype><D:owner>somebody</D:owner></D:lockinfo>";
    let xml = ["-H", "Content-Type: text/xml; charset=\"utf-8\""];
    let at = |path: &str| format!("{base}{path}");
    let to = |path: &str| format!("Destination: {base}{path}");
    assert_eq!(curl(&["-X", "OPTIONS", &at("/")]), "200");
    assert_eq!(curl(&["-X", "MKCOL", &at("/my%20files/")]), "201");
    assert_eq!(curl(&["-T", file, &at("/my%20files/dump.sql")]), "201");
    assert_eq!(
        curl(&["-X", "PROPFIND", "-H", "Depth: 1", xml[0], xml[1], "-d", find, &at("/my%20files/")]),
        "207"
    );
    assert_eq!(curl(&["-X", "LOCK", xml[0], xml[1], "-d", lock, &at("/my%20files/dump.sql")]), "200");
    assert_eq!(curl(&["-T", file, &at("/my%20files/dump.sql")]), "423");
    let locked = Command::new("curl")
        .args(["-s", "--noproxy", "*", "-X", "PROPFIND", "-H", "Depth: 0", &at("/my%20files/dump.sql")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&locked.stdout).into_owned();
    let token = text.split("opaquelocktoken:").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert_eq!(
        curl(&["-T", file, "-H", &format!("If: (<opaquelocktoken:{token}>)"), &at("/my%20files/dump.sql")]),
        "204"
    );
    let unlock = format!("Lock-Token: <opaquelocktoken:{token}>");
    assert_eq!(curl(&["-X", "UNLOCK", "-H", &unlock, &at("/my%20files/dump.sql")]), "204");
    assert_eq!(curl(&["-X", "MOVE", "-H", &to("/.env"), &at("/my%20files/dump.sql")]), "201");
    assert_eq!(curl(&["-X", "COPY", "-H", &to("/index.php"), &at("/.env")]), "201");
    let got = Command::new("curl").args(["-s", "--noproxy", "*", &at("/.env")]).output().unwrap();
    assert!(got.stdout == content);
    assert_eq!(curl(&["-X", "DELETE", &at("/my%20files/")]), "204");

    // attacks on the same site
    let (root, query, new) = (at("/"), at("/?x=<script>alert(1)</script>"), at("/a"));
    let attacks: [&[&str]; 5] = [
        &[&query, "-g"],
        &["-X", "PROPFIND", xml[0], xml[1], "-d", "<a>1' union select password from users--</a>", &root],
        &["-X", "POST", "-d", "q=<script>alert(1)</script>", &root],
        &["-X", "TRACK", &root],
        &["-T", file, "-H", "Content-Encoding: gzip", &new],
    ];
    for arguments in attacks {
        assert_eq!(curl(arguments), "403", "{arguments:?}");
    }
}

#[test]
fn a9_rules_list_shows_a_preset_of_the_configuration() {
    let upstream = Reflector::start();
    let gate = gate(upstream.address(), "webdav");
    let listed = gate.command(&["rules", "list", "--file", "webdav.conf"]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(" 90100 ") && listed.contains("monban:presets/webdav.conf:"), "{listed}");
    let all = String::from_utf8(gate.command(&["rules", "list"]).stdout).unwrap();
    assert!(!all.contains("monban:presets/git.conf"), "{all}");
    let shown = String::from_utf8(gate.command(&["rules", "show", "90102"]).stdout).unwrap();
    assert!(shown.contains("ctl:requestBodyAccess=Off"), "{shown}");
}

/// Returns the decision of the Core Rule Set on a request, with or without a preset.
fn decision(preset: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let engine = folder.path().join("engine.conf");
    std::fs::write(
        &engine,
        "SecRequestBodyAccess On\nSecRule REQUEST_HEADERS:Content-Type \"@contains json\" \
         \"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"\n",
    )
    .unwrap();
    let mut command = Command::new(BINARY);
    command.args(["rules", "run", "-H", "User-Agent: Mozilla/5.0", "-H", "Accept: */*"]).args(arguments);
    for file in [engine.to_str().unwrap(), CRS_SETUP, CRS_RULES] {
        command.args(["--rules", file]);
    }
    if !preset.is_empty() {
        command.args(["--preset", preset]);
    }
    let output = done(command.output().unwrap());
    output.lines().last().unwrap().split(';').next().unwrap().to_owned()
}

#[test]
fn a9_nextcloud_and_wordpress_do_what_they_do_every_day() {
    let json = "Content-Type: application/json";
    let author = "Cookie: wordpress_logged_in_0a1b=x";
    let post = r#"{"title":"T","content":"<p onclick=\"x()\">a</p><script>alert(1)</script>"}"#;
    let password = "user=a&password=1'+union+select+1,2+from+users--";
    // preset, request, whether it passes with the preset; without a preset none passes
    let cases: &[(&str, &[&str], bool)] = &[
        ("nextcloud", &["http://a/remote.php/dav/files/me/", "-X", "PROPFIND"], true),
        (
            "nextcloud",
            &[
                "http://a/remote.php/dav/files/me/x.sql",
                "-X",
                "PUT",
                "-H",
                "Content-Type: application/sql",
                "--data-binary",
                "union select 1",
            ],
            true,
        ),
        (
            "nextcloud",
            &["http://a/cloud/remote.php/dav/uploads/me/1/2", "-X", "MOVE", "-H", "If: (<x>)"],
            true,
        ),
        (
            "nextcloud",
            &["http://a/apps/notes/api/v1/notes/1", "-X", "PUT", "-H", json, "-d", "{\"content\":\"hello\"}"],
            true,
        ),
        ("nextcloud", &["http://a/ocs/v2.php/apps/files_sharing/api/v1/shares/1", "-X", "DELETE"], true),
        ("nextcloud", &["http://a/login", "-d", password], true),
        ("nextcloud", &["http://a/other", "-d", password], false),
        ("nextcloud", &["http://a/other.php/dav/files/me/", "-X", "PROPFIND"], false),
        (
            "nextcloud",
            &["http://a/remote.php/dav/files/me/?x=<script>alert(1)</script>", "-X", "PROPFIND"],
            false,
        ),
        ("wordpress", &["http://a/wp-login.php", "-d", "log=a&pwd=1'+union+select+1,2+from+users--"], true),
        (
            "wordpress",
            &[
                "http://a/wp-json/wp/v2/posts/1?_locale=user",
                "-X",
                "PUT",
                "-H",
                json,
                "-H",
                author,
                "-d",
                post,
            ],
            true,
        ),
        (
            "wordpress",
            &["http://a/wp-admin/post.php", "-H", author, "-d", "content=<script>alert(1)</script>"],
            true,
        ),
        ("wordpress", &["http://a/wp-json/wp/v2/posts/1", "-X", "POST", "-H", json, "-d", post], false),
        (
            "wordpress",
            &["http://a/wp-admin/post.php", "-H", author, "-d", "other=<script>alert(1)</script>"],
            false,
        ),
        ("wordpress", &["http://a/?content=<script>alert(1)</script>", "-H", author], false),
    ];
    assert!(cases.len() >= 15);
    for (preset, request, passes) in cases {
        assert!(decision("", request).starts_with("denied with 403"), "{request:?}");
        assert_eq!(decision(preset, request) == "passed", *passes, "{preset} {request:?}");
        // another preset changes nothing
        assert!(decision("git", request).starts_with("denied with 403"), "{request:?}");
    }
}
