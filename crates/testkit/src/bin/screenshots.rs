//! Takes the pictures of the console that the READMEs show: docs/images. See `make screenshots`.

fn main() {
    testkit::browser::run("screenshots");
}
