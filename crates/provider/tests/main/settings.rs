//! The keys of `[[dns]]`.

use provider::conoha::{Generation, identity};
use provider::{Settings, build};

use crate::rig::{context, settings};

#[test]
fn tables_that_cannot_be_read() {
    for (text, expected) in [
        (
            "provider = \"conoha\"\nuser = \"u\"\ntenant_id = \"t\"\npassword = \"p\"",
            "unknown field `password`",
        ),
        ("provider = \"conoha\"\nuser = \"u\"", "missing field `tenant_id`"),
        ("provider = \"conohav3\"", "unknown variant `conohav3`"),
        ("provider = \"manual\"\nx = 1", "unknown field `x`"),
        ("provider = \"rfc2136\"\nserver = 53", "invalid type"),
        ("server = \"192.0.2.1\"", "missing field `provider`"),
        ("provider = \"exec\"\nprogram = \"/x\"\ntime_limit = \"0s\"", "time"),
    ] {
        let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn values_that_cannot_be_used() {
    let (context, _) = context();
    let conoha = "provider = \"conoha\"\nuser = \"u\"\ntenant_id = \"t\"\n";
    for (text, expected) in [
        (conoha.to_owned(), "conoha: cannot use the settings: [[dns]]: needs password_file or password_env"),
        (format!("{conoha}password_file = \"SECRET\"\npassword_env = \"P\""), "exclude each other"),
        (format!("{conoha}password_file = \"SECRET\"\nregion = \"nrt1\""), "names no generation"),
        (format!("{conoha}password_file = \"SECRET\"\nregion = \"a/b\""), "is not a region"),
        (
            format!("{conoha}password_file = \"SECRET\"\nidentity_url = \"http://identity.c3j1.conoha.io\""),
            "names no generation",
        ),
        (
            format!("{conoha}password_file = \"SECRET\"\nidentity_url = \"http://example.com/v3\""),
            "must begin with https://",
        ),
        (format!("{conoha}password_env = \"MONBAN_NO_SUCH_VARIABLE\""), "no variable MONBAN_NO_SUCH"),
        ("provider = \"rfc2136\"\nserver = \"a b\"".into(), "is neither an address nor a name"),
        ("provider = \"rfc2136\"\nserver = \"a\"\nsecret_file = \"SECRET\"".into(), "belong together"),
        ("provider = \"rfc2136\"\nserver = \"a\"\nzones = [\"a b\"]".into(), "in zones is not a domain name"),
        ("provider = \"exec\"".into(), "needs either program"),
        ("provider = \"exec\"\nprogram = \"/a\"\nauth_hook = \"/b\"".into(), "needs either program"),
        ("provider = \"exec\"\ncleanup_hook = \"/b\"".into(), "needs either program"),
        ("provider = \"exec\"\nprogram = \"hook\"".into(), "must be an absolute path"),
        ("provider = \"exec\"\nprogram = \"/a\"\ntime_limit = \"2h\"".into(), "longer than 3600 s"),
        ("provider = \"exec\"\nprogram = \"/a\"\npass_env = [\"MONBAN_NO_SUCH\"]".into(), "no variable"),
    ] {
        let (settings, _folder) = settings(&text, "hush");
        let error = build(&settings, &context).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hush"), "{text}: {error}");
    }
}

#[test]
fn c17_the_endpoint_tells_the_generation() {
    for (key, value, expected) in [
        ("", "", Some(("https://identity.c3j1.conoha.io/v3", Generation::V3))),
        ("region", "c3j1", Some(("https://identity.c3j1.conoha.io/v3", Generation::V3))),
        ("region", "tyo1", Some(("https://identity.tyo1.conoha.io/v2.0", Generation::V2))),
        ("region", "tyo2", Some(("https://identity.tyo2.conoha.io/v2.0", Generation::V2))),
        ("region", "sjc1", Some(("https://identity.sjc1.conoha.io/v2.0", Generation::V2))),
        (
            "identity_url",
            "https://identity.c3j1.conoha.io",
            Some(("https://identity.c3j1.conoha.io/v3", Generation::V3)),
        ),
        (
            "identity_url",
            "https://identity.tyo1.conoha.io/v2.0/",
            Some(("https://identity.tyo1.conoha.io/v2.0", Generation::V2)),
        ),
        ("identity_url", "https://api.example.com/v3", Some(("https://api.example.com/v3", Generation::V3))),
        ("identity_url", "https://api.example.com", None),
    ] {
        let mut text = "provider = \"conoha\"\nuser = \"u\"\ntenant_id = \"t\"\n".to_owned();
        if !key.is_empty() {
            text += &format!("{key} = \"{value}\"");
        }
        let Settings::Conoha(config) = toml::from_str(&text).unwrap() else { panic!("{text}") };
        let found = identity(&config).ok();
        assert_eq!(found.as_ref().map(|(url, generation)| (url.as_str(), *generation)), expected, "{text}");
    }
}
