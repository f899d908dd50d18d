//! Where a command's result goes: standard output or a file, packed as the file's name says.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Bytes gathered before they are written: one system call for a few hundred lines.
const BUFFER_BYTES: usize = 256 * 1024;
/// zstd's own default: ten times smaller, and still faster than the lines are made.
const ZSTD_LEVEL: i32 = 3;

/// An open result. End it with [`Output::finish`], or its last bytes are lost.
#[derive(Debug)]
pub struct Output(Packing);

#[derive(Debug)]
enum Packing {
    Stdout(BufWriter<io::Stdout>),
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(ZstdFile),
}

struct ZstdFile(zstd::Encoder<'static, BufWriter<File>>);

impl std::fmt::Debug for ZstdFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ZstdFile")
    }
}

/// A result that cannot be opened, with the name that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}")]
pub struct OutputError {
    path: String,
    source: io::Error,
}

impl Output {
    /// Opens `path`, `.gz` and `.zst` by their endings; none and `-` are standard output.
    pub fn open(path: Option<&Path>) -> Result<Self, OutputError> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self(Packing::Stdout(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()))));
        };
        Self::file(path).map_err(|source| OutputError { path: path.display().to_string(), source })
    }

    fn file(path: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(BUFFER_BYTES, File::create(path)?);
        Ok(Self(match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Packing::Gzip(GzEncoder::new(file, Compression::default())),
            Some("zst") => Packing::Zstd(ZstdFile(zstd::Encoder::new(file, ZSTD_LEVEL)?)),
            _ => Packing::Plain(file),
        }))
    }

    /// Writes what is left and the packing's trailer.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            Packing::Stdout(mut out) => out.flush(),
            Packing::Plain(mut file) => file.flush(),
            Packing::Gzip(encoder) => encoder.finish()?.flush(),
            Packing::Zstd(encoder) => encoder.0.finish()?.flush(),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Packing::Stdout(out) => out.write(bytes),
            Packing::Plain(file) => file.write(bytes),
            Packing::Gzip(encoder) => encoder.write(bytes),
            Packing::Zstd(encoder) => encoder.0.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Packing::Stdout(out) => out.flush(),
            Packing::Plain(file) => file.flush(),
            Packing::Gzip(encoder) => encoder.flush(),
            Packing::Zstd(encoder) => encoder.0.flush(),
        }
    }
}

/// A reader that has seen enough (`alpes generate | head`) is no fault.
pub fn unless_reader_left(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// The file of an `--out` option: `-` and none are standard output.
#[derive(Debug, Clone, clap::Args)]
pub struct OutputArgs {
    /// File to write, packed by its ending (.gz, .zst); `-` is standard output
    #[arg(long, visible_alias = "output", value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_file_is_packed_as_its_name_says() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            let mut output = Output::open(Some(&path)).unwrap();
            output.write_all(b"una linea\n").unwrap();
            output.finish().unwrap();
            File::open(path).unwrap()
        };
        let mut text = String::new();
        write("a").read_to_string(&mut text).unwrap();
        flate2::read::GzDecoder::new(write("a.gz")).read_to_string(&mut text).unwrap();
        zstd::Decoder::new(write("a.zst")).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "una linea\n".repeat(3));
    }
}
