//! Several files: includes, patterns, cycles, and the limits of a load.

use seclang::ast::{DirectiveKind, Document};
use seclang::{LoadError, LoadErrorKind, MemorySource, Source, SourceError, limits, load, parse_str};

fn messages(result: Result<Document, Vec<LoadError>>) -> Vec<String> {
    match result {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn markers(document: &Document) -> Vec<String> {
    let markers = document.directives.iter().filter_map(|directive| match &directive.kind {
        DirectiveKind::Marker(name) => Some(String::from_utf8_lossy(name).into_owned()),
        _ => None,
    });
    markers.collect()
}

#[test]
fn includes_stand_in_their_place_and_are_relative_to_their_file() {
    let source = MemorySource::new()
        .with("etc/main.conf", "SecMarker 1\nInclude sub/a.conf \"rules/*.conf\"\nSecMarker 5\n")
        .with("etc/sub/a.conf", "SecMarker 2\nIncludeOptional none.conf none-*.conf\nInclude ../etc/b.conf")
        .with("etc/sub/../etc/b.conf", "SecMarker b")
        .with("etc/rules/2.conf", "SecMarker 4")
        .with("etc/rules/1.conf", "SecMarker 3\nInclude /abs.conf")
        .with("etc/rules/deep/3.conf", "SecMarker not-matched")
        .with("/abs.conf", "SecMarker abs")
        .with("last.conf", "SecMarker 6");
    let document = load(&source, &["etc/main.conf", "la?t.conf"]).unwrap();
    assert_eq!(markers(&document), ["1", "2", "b", "3", "abs", "4", "5", "6"]);
    assert_eq!(document.files.len(), 7);
    let abs = &document.directives[4];
    assert_eq!((document.file(abs.span.file), abs.span.line), ("/abs.conf", 1));
}

#[test]
fn faults_of_all_files_are_reported_together() {
    struct Broken(MemorySource);
    impl Source for Broken {
        fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
            match path {
                "locked.conf" => Err(SourceError::Other("permission denied".to_owned())),
                _ => self.0.read(path),
            }
        }
        fn glob(&self, pattern: &str) -> Result<Vec<String>, SourceError> {
            match pattern {
                "[.conf" => Err(SourceError::Other("bad pattern".to_owned())),
                _ => self.0.glob(pattern),
            }
        }
    }
    let source = Broken(
        MemorySource::new()
            .with(
                "a.conf",
                "SecAction id:1\nInclude b.conf\n  Include locked.conf missing.conf\nInclude [.conf\n",
            )
            .with("b.conf", "SecAction id:1\nSecRule ARGS a \"id:2,chain\"\n")
            .with("c.conf", "SecRule ARGS \"a\" \"id:3,\\\n  chain\"")
            .with("d.conf", "SecRule ARGS b"),
    );
    assert_eq!(
        messages(load(
            &source,
            &["a.conf", "c.conf", "d.conf", "gone.conf", "gone-*.conf", "[.conf", "locked.conf"]
        )),
        [
            "b.conf:1:11: rule id 1 is already used at a.conf:1",
            "b.conf:2:1: the last rule of the file has `chain`, but no rule follows",
            "a.conf:3:11: cannot read `locked.conf`: permission denied",
            "a.conf:3:23: file `missing.conf` not found",
            "a.conf:4:9: cannot read `[.conf`: bad pattern",
            "c.conf:1:1: the last rule of the file has `chain`, but no rule follows",
            "d.conf:1:1: a rule needs an `id`",
            "gone.conf: file `gone.conf` not found",
            "gone-*.conf: no file matches `gone-*.conf`",
            "[.conf: cannot read `[.conf`: bad pattern",
            "locked.conf: cannot read `locked.conf`: permission denied",
        ]
    );
}

#[test]
fn an_unreadable_optional_file_is_a_fault_all_the_same() {
    struct Locked;
    impl Source for Locked {
        fn read(&self, path: &str) -> Result<Vec<u8>, SourceError> {
            match path {
                "main" => Ok(b"IncludeOptional locked".to_vec()),
                _ => Err(SourceError::Other("permission denied".to_owned())),
            }
        }
        fn glob(&self, _: &str) -> Result<Vec<String>, SourceError> {
            Ok(Vec::new())
        }
    }
    assert_eq!(messages(load(&Locked, &["main"])), ["main:1:17: cannot read `locked`: permission denied"]);
}

#[test]
fn include_cycles() {
    let source = MemorySource::new()
        .with("a", "Include b\nSecRul")
        .with("b", "SecMarker x\nInclude c")
        .with("c", "Include b")
        .with("self", "\n Include self");
    assert_eq!(
        messages(load(&source, &["a", "self"])),
        [
            "c:1:9: include cycle: b includes c includes b",
            "a:2:1: unknown directive `SecRul`; did you mean `SecRule`?",
            "self:2:10: include cycle: self includes self",
        ]
    );
}

#[test]
fn a_file_may_be_included_twice_if_nothing_in_it_may_not() {
    let source = MemorySource::new().with("m", "Include x\nInclude x").with("x", "SecMarker x");
    assert_eq!(markers(&load(&source, &["m"]).unwrap()), ["x", "x"]);
    let source = MemorySource::new().with("m", "Include x\nInclude x").with("x", "SecAction id:9");
    assert_eq!(messages(load(&source, &["m"])), ["x:1:11: rule id 9 is already used at x:1"]);
}

#[test]
fn bytes_that_are_no_text() {
    // Windows line ends, a UTF-8 byte order mark, no line end at the end.
    let document =
        parse_str("t", b"\xEF\xBB\xBFSecMarker A\r\nSecRule ARGS a \\\r\n id:1\r\nSecMarker B").unwrap();
    assert_eq!(markers(&document), ["A", "B"]);
    let places: Vec<_> =
        document.directives.iter().map(|d| (d.span.line, d.span.column, d.span.end_line)).collect();
    assert_eq!(places, [(1, 1, 1), (2, 1, 3), (4, 1, 4)]);
    assert_eq!(
        messages(parse_str("t", b"\xEF\xBB\xBFSecMarke A")),
        ["t:1:1: unknown directive `SecMarke`; did you mean `SecMarker`?"]
    );
    // Bytes that are not UTF-8 are allowed as values, but not in patterns of selectors, in tags and in file names.
    let document = parse_str("t", b"SecRule ARGS:\xff \"@rx \xe9\" \"id:1,msg:'\xff\xfe'\"").unwrap();
    assert!(document.to_text().windows(2).any(|w| w == b"\xff\xfe"));
    assert_eq!(
        messages(parse_str(
            "t",
            b"SecRule ARGS:/a\xff/ a id:1\nSecRuleRemoveByTag x\xffy\nInclude \xff\nSecAuditLogStorageDir \xff"
        )),
        [
            "t:1:16: `ARGS` accepts only UTF-8 text",
            "t:2:21: `SecRuleRemoveByTag` accepts only UTF-8 text",
            "t:3:9: `Include` accepts only UTF-8 text",
            "t:4:23: `SecAuditLogStorageDir` accepts only UTF-8 text",
        ]
    );
    assert_eq!(
        messages(parse_str("t", b"# \0\nSecMarker A\n SecMarker \0B\n")),
        ["t:3:12: a NUL byte in rule text"]
    );
    assert_eq!(
        messages(parse_str("t", b"Sec\xffRule ARGS a")),
        ["t:1:1: unknown directive `Sec\u{fffd}Rule`; did you mean `SecRule`?"]
    );
    for nothing in [&b""[..], b"\n\n", b"\\\n\\\n", b"\xEF\xBB\xBF", b"   \r\n\t\\\n", b"#"] {
        assert!(parse_str("t", nothing).unwrap().directives.is_empty(), "{nothing:?}");
    }
    assert_eq!(messages(parse_str("t", b"SecMarker A\\")), [] as [&str; 0]);
}

#[test]
fn an_error_holds_the_text_at_fault() {
    let errors = parse_str("t", "SecRule ARGZ \"@rxx a\" \"id:1,phase:9\"").unwrap_err();
    let texts: Vec<_> = errors.iter().map(|error| error.text.as_str()).collect();
    assert_eq!(texts, ["ARGZ", "@rxx", "9"]);
    assert_eq!(
        errors[1].kind,
        LoadErrorKind::Unknown { what: "operator", name: "@rxx".to_owned(), hint: Some("@rx".to_owned()) }
    );
}

#[test]
fn limits_end_in_errors() {
    let long_argument = format!("SecMarker {}\nSecMarker ok", "a".repeat(limits::ARGUMENT_BYTES + 1));
    assert_eq!(messages(parse_str("t", &long_argument)), ["t:1:11: bytes of an argument: more than 524288"]);
    assert!(parse_str("t", "SecMarker ".to_owned() + &"a".repeat(limits::ARGUMENT_BYTES)).is_ok());

    let joined =
        format!("SecMarker ok\nSecResponseBodyMimeType {}\nSecMarke", "text/html \\\n".repeat(200_000));
    assert_eq!(
        messages(parse_str("t", &joined)),
        [
            "t:2:1: bytes of a directive: more than 1048576",
            "t:200003:1: unknown directive `SecMarke`; did you mean `SecMarker`?"
        ]
    );

    let many = "SecMarker a\n".repeat(limits::DIRECTIVES + 1);
    assert_eq!(messages(parse_str("t", &many)), ["t:200001:1: directives: more than 200000"]);

    let faulty = "x\n".repeat(limits::ERRORS + 500);
    let found = messages(parse_str("t", &faulty));
    assert_eq!(found.len(), limits::ERRORS + 1);
    assert_eq!(found[limits::ERRORS], "t:1001:1: errors: more than 1000");

    let big = vec![b'#'; limits::FILE_BYTES + 1];
    let source = MemorySource::new().with("big", big).with("m", "Include big\nSecMarke");
    assert_eq!(
        messages(load(&source, &["m"])),
        [
            "m:1:9: bytes of a file: more than 16777216",
            "m:2:1: unknown directive `SecMarke`; did you mean `SecMarker`?"
        ]
    );

    let source = MemorySource::new()
        .with("half", (" ".repeat(1023) + "\n").repeat(limits::FILE_BYTES / 1024))
        .with("m", "Include half\n".repeat(9));
    assert_eq!(messages(load(&source, &["m"])), ["m:4:9: bytes of all files: more than 67108864"]);

    let source = MemorySource::new().with("x", "").with("m", "Include x\n".repeat(limits::FILES + 5));
    assert_eq!(messages(load(&source, &["m"])), ["m:10000:9: files: more than 10000"]);

    let mut source = MemorySource::new();
    for depth in 0..limits::INCLUDE_DEPTH + 5 {
        source = source.with(format!("f{depth}"), format!("Include f{}", depth + 1));
    }
    assert_eq!(messages(load(&source, &["f0"])), ["f20:1:9: includes inside includes: more than 20"]);

    let targets = |count: usize| format!("SecRule {} a id:1", vec!["ARGS"; count].join("|"));
    assert!(parse_str("t", targets(limits::TARGETS)).is_ok());
    assert_eq!(messages(parse_str("t", targets(limits::TARGETS + 5))), ["t:1:5009: targets: more than 1000"]);

    let actions = "SecAction \"id:1,".to_owned() + &"log,".repeat(limits::ACTIONS + 5) + "\"";
    assert_eq!(messages(parse_str("t", &actions)), ["t:1:40017: actions: more than 10000"]);
    let ids = "1,".repeat(500);
    let product = format!("SecAction \"id:1,ctl:'ruleRemoveTargetById={ids};{}'\"", "ARGS|".repeat(500));
    assert_eq!(messages(parse_str("t", &product)), ["t:1:43: actions: more than 10000"]);
    let ids = format!("SecAction \"id:1,ctl:'ruleRemoveById={}'\"", "1,".repeat(limits::ACTIONS + 1));
    assert_eq!(messages(parse_str("t", &ids)), ["t:1:37: actions: more than 10000"]);

    // A line that contains only faults, and texts that are too long to show.
    let found = messages(parse_str("t", format!("SecRule {} a id:1", "ARGZ|".repeat(100_000))));
    assert_eq!(found.len(), limits::ERRORS + 1);
    let errors = parse_str("t", format!("SecAction \"id:1,msg:'{}\"", "é".repeat(100_000))).unwrap_err();
    assert_eq!(
        errors[0].text.chars().count(),
        102,
        "the quote, 99 letters, half a letter, a mark that more was there"
    );
    assert!(errors[0].text.starts_with("'é") && errors[0].text.ends_with('…'));

    // Unterminated patterns, which could take quadratic time.
    let open = format!("SecRule \"{}\" a id:1", "ARGS:/x|".repeat(limits::TARGETS));
    assert!(parse_str("t", open).is_ok());

    let id = limits::RULE_ID;
    assert!(parse_str("t", format!("SecAction id:{id}")).is_ok());
}

#[test]
fn a_file_that_doubles_itself_ends() {
    // Without the limit on files, this would take 2^20 reads.
    let mut source = MemorySource::new().with("f20", "SecMarker x");
    for depth in 0..20 {
        source = source.with(format!("f{depth}"), format!("Include f{0} f{0}", depth + 1));
    }
    let found = messages(load(&source, &["f0"]));
    assert_eq!(found.len(), 1, "{}", found[0]);
    assert!(found[0].ends_with("files: more than 10000"), "{}", found[0]);
}
