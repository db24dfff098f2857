//! Takes the pictures of the console for the READMEs: docs/images. See `make screenshots`.

fn main() {
    testkit::browser::run("screenshots");
}
