//! The input: 100,000 commands of an independent generator, a tenth of them duplicates, a hundredth faulty.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// The lines of the sample.
pub(crate) const LINES: usize = 100_000;

/// A file of `tests/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// The whole sample, packed.
pub(crate) fn packed() -> String {
    data("commands-100k.ndjson.zst").display().to_string()
}

/// The text of a packed file.
pub(crate) fn unpack(name: &str) -> String {
    String::from_utf8(zstd::decode_all(File::open(data(name)).unwrap()).unwrap()).unwrap()
}

/// Two tables are the same. Says where they differ first, which is a help where they have 50,000 lines.
pub(crate) fn assert_same_lines(name: &str, expected: &str, found: &str) {
    let differ = expected.lines().zip(found.lines()).find(|(expected, found)| expected != found);
    let lines = [expected, found].map(|table| table.lines().count());
    assert_eq!(differ, None, "{name}: expected, found; of {lines:?} lines");
    assert_eq!(lines[0], lines[1], "{name}: lines");
}

/// Some lines of the sample as files in `folder`, dealt out as a slice is into chunks; their names, one after the other.
pub(crate) fn files(folder: &Path, lines: usize, files: usize) -> Vec<String> {
    let text = unpack("commands-100k.ndjson.zst");
    let lines: Vec<&str> = text.lines().take(lines).collect();
    let write = |(number, chunk): (usize, &[&str])| {
        let path = folder.join(format!("part-{number}.ndjson"));
        let mut file = BufWriter::new(File::create(&path).unwrap());
        chunk.iter().for_each(|line| writeln!(file, "{line}").unwrap());
        file.flush().unwrap();
        path.display().to_string()
    };
    lines.chunks(lines.len().div_ceil(files)).enumerate().map(write).collect()
}
