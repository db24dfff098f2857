//! Takes the screenshots of the console for the READMEs in docs/images. See `make screenshots`.

fn main() {
    testkit::browser::run("screenshots");
}
