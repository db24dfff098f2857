//! The console in Chromium: a test for each case in tests/browser/cases.

macro_rules! cases {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                testkit::browser::run(stringify!($name));
            }
        )*
    };
}

cases! { account crafted every_page evidence exclusion injection live notices overview passkeys saved shell signing_in size users }

#[test]
fn pages_over_a_fixture() {
    testkit::browser::run_over_fixture();
}

#[test]
fn every_case_is_run() {
    let mut names: Vec<_> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    // the screenshots of the READMEs, which `make screenshots` takes
    names.push("screenshots".to_owned());
    names.sort();
    assert_eq!(testkit::browser::cases(), names);
}
