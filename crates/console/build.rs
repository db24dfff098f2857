//! Generates a table of the files in web/dist, which `make web` builds: name, type, compressed content.
//!
//! Without `make web` the table is empty, and [`pages`](src/pages.rs) responds with an instruction to run it.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut table = String::new();
    let mut names = Vec::new();
    if dist.is_dir() {
        for entry in std::fs::read_dir(&dist)? {
            names.push(entry?.file_name().into_string().map_err(|name| format!("{name:?}: not UTF-8"))?);
        }
    }
    names.sort();
    let index = match names.iter().any(|name| name == "index.html") {
        true => format!("Some(include_bytes!({:?}))", dist.join("index.html")),
        false => "None".to_owned(),
    };
    writeln!(table, "static INDEX: Option<&[u8]> = {index};\nstatic ASSETS: &[Asset] = &[")?;
    for file in &names {
        let Some(name) = file.strip_suffix(".gz") else { continue };
        let kind = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
            Some("js") => "text/javascript",
            Some("css") => "text/css",
            Some("svg") => "image/svg+xml",
            _ => return Err(format!("web/dist/{file}: no Content-Type is known for it").into()),
        };
        let path = dist.join(file);
        let brotli = dist.join(format!("{name}.br"));
        writeln!(
            table,
            "Asset {{ name: {name:?}, kind: {kind:?}, gzip: include_bytes!({path:?}), brotli: include_bytes!({brotli:?}) }},"
        )?;
    }
    table.push_str("];\n");
    std::fs::write(Path::new(&std::env::var("OUT_DIR")?).join("pages.rs"), table)?;
    Ok(())
}
