//! Compressed bodies, inflated piece by piece: however small a body is, it never becomes large at once.

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use std::io::Write;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

/// Bytes of a whole body, inflated: at 400 bytes a line, 2.6 million commands.
const INFLATED_MAX: u64 = 1024 * 1024 * 1024;
/// How many times its size a body may become. Commands compress to a tenth or a thirtieth; bombs to a thousandth.
const RATIO_MAX: u64 = 250;
/// Bytes that may be inflated before the ratio is looked at: a short body of much the same is no bomb.
const RATIO_FREE: u64 = 1024 * 1024;
/// Bytes inflated at a time.
const PIECE: usize = 128 * 1024;
/// Bytes of gzip taken at a time: they inflate to at most 1,032 times as much, so to about a piece.
const GZIP_STEP: usize = 128;
/// The window that a zstd body may ask for, as a power of two: the 8 MiB of RFC 9659.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Undoes a `Content-Encoding`.
pub(crate) struct Inflater {
    coding: Coding,
    taken: u64,
    given: u64,
}

enum Coding {
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<ZstdBody>),
}

struct ZstdBody {
    decoder: Decoder<'static>,
    /// Whether a frame is under way.
    within: bool,
    /// Whether the last piece filled its buffer, so that there may be more without more input.
    more: bool,
}

/// Why a body cannot be inflated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// Not what its coding says, or cut short.
    Corrupt,
    /// More than any body may be.
    TooLarge,
}

impl Inflater {
    const fn new(coding: Coding) -> Self {
        Self { coding, taken: 0, given: 0 }
    }

    /// For a body without a coding.
    pub(crate) const fn plain() -> Self {
        Self::new(Coding::Plain)
    }

    /// For gzip, of one or more members.
    pub(crate) fn gzip() -> Self {
        Self::new(Coding::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))))
    }

    /// For zstd, of one or more frames.
    pub(crate) fn zstd() -> std::io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Self::new(Coding::Zstd(Box::new(ZstdBody { decoder, within: false, more: false }))))
    }

    /// The next piece of what `compressed` holds; takes from it. Nothing when it has been used up.
    pub(crate) fn next(&mut self, compressed: &mut Bytes) -> Result<Option<Bytes>, InflateError> {
        let before = compressed.len();
        let piece = match &mut self.coding {
            Coding::Plain => (!compressed.is_empty()).then(|| compressed.split_to(compressed.len())),
            Coding::Gzip(decoder) => gzip_piece(decoder, compressed)?,
            Coding::Zstd(body) => body.piece(compressed)?,
        };
        self.taken += (before - compressed.len()) as u64;
        self.given += piece.as_ref().map_or(0, Bytes::len) as u64;
        let is_bomb = self.given > RATIO_FREE && self.given > self.taken.saturating_mul(RATIO_MAX);
        if is_bomb || self.given > INFLATED_MAX { Err(InflateError::TooLarge) } else { Ok(piece) }
    }

    /// Makes sure that the body was whole.
    pub(crate) fn finish(&mut self) -> Result<(), InflateError> {
        match &mut self.coding {
            // Nothing at all is no gzip member, but an empty body all the same.
            Coding::Gzip(decoder) if self.taken > 0 => decoder.try_finish().map_err(|_| InflateError::Corrupt),
            Coding::Zstd(body) if body.within => Err(InflateError::Corrupt),
            Coding::Plain | Coding::Gzip(_) | Coding::Zstd(_) => Ok(()),
        }
    }
}

fn gzip_piece(decoder: &mut MultiGzDecoder<Vec<u8>>, compressed: &mut Bytes) -> Result<Option<Bytes>, InflateError> {
    while !compressed.is_empty() && decoder.get_ref().len() < PIECE {
        let step = &compressed[..compressed.len().min(GZIP_STEP)];
        let taken = decoder.write(step).map_err(|_| InflateError::Corrupt)?;
        if taken == 0 {
            return Err(InflateError::Corrupt);
        }
        compressed.advance(taken);
    }
    // What the decoder still holds back comes with its next step, or at the end.
    decoder.flush().map_err(|_| InflateError::Corrupt)?;
    let piece = std::mem::take(decoder.get_mut());
    Ok((!piece.is_empty()).then(|| piece.into()))
}

impl ZstdBody {
    fn piece(&mut self, compressed: &mut Bytes) -> Result<Option<Bytes>, InflateError> {
        if compressed.is_empty() && !self.more {
            return Ok(None);
        }
        let mut piece = vec![0; PIECE];
        let (mut input, mut output) = (InBuffer::around(compressed), OutBuffer::around(&mut piece[..]));
        while output.pos() < PIECE && (input.pos() < input.src.len() || self.more) {
            let before = (input.pos(), output.pos());
            let hint = self.decoder.run(&mut input, &mut output).map_err(|_| InflateError::Corrupt)?;
            self.within = hint != 0;
            self.more = output.pos() == PIECE;
            if (input.pos(), output.pos()) == before {
                break;
            }
        }
        let (taken, given) = (input.pos(), output.pos());
        compressed.advance(taken);
        piece.truncate(given);
        if given == 0 {
            self.more = false;
        }
        Ok((given > 0).then(|| piece.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn inflate(mut inflater: Inflater, compressed: &[u8], cut: usize) -> Result<Vec<u8>, InflateError> {
        let mut plain = Vec::new();
        for bytes in compressed.chunks(cut) {
            let mut bytes = Bytes::copy_from_slice(bytes);
            while let Some(piece) = inflater.next(&mut bytes)? {
                assert!(piece.len() <= 2 * PIECE || matches!(inflater.coding, Coding::Plain));
                plain.extend_from_slice(&piece);
            }
            assert!(bytes.is_empty());
        }
        inflater.finish().map(|()| plain)
    }

    fn sample() -> Vec<u8> {
        (0..20_000).flat_map(|n| format!("{{\"id\":\"imp-{n}\"}}\n").into_bytes()).collect()
    }

    #[test]
    fn every_coding_gives_back_what_was_sent_however_it_is_cut() {
        let (plain, twice) = (sample(), [sample(), sample()].concat());
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
        for cut in [1, 7, 4096, usize::MAX] {
            assert!(inflate(Inflater::plain(), &plain, cut).unwrap() == plain);
            assert!(inflate(Inflater::gzip(), &gzip(&plain), cut).unwrap() == plain);
            assert!(inflate(Inflater::zstd().unwrap(), &zstd(&plain), cut).unwrap() == plain);
            let members = [gzip(&plain), gzip(&plain)].concat();
            assert!(inflate(Inflater::gzip(), &members, cut).unwrap() == twice);
            let frames = [zstd(&plain), zstd(&plain)].concat();
            assert!(inflate(Inflater::zstd().unwrap(), &frames, cut).unwrap() == twice);
        }
    }

    #[test]
    fn bombs_and_broken_bodies_are_refused() {
        let zeros = vec![0; 8 * 1024 * 1024];
        let (gz, zst) = (gzip(&zeros), zstd::encode_all(&zeros[..], 3).unwrap());
        assert_eq!(inflate(Inflater::gzip(), &gz, 4096), Err(InflateError::TooLarge));
        assert_eq!(inflate(Inflater::zstd().unwrap(), &zst, 4096), Err(InflateError::TooLarge));
        let (gz, zst) = (gzip(&sample()), zstd::encode_all(&sample()[..], 3).unwrap());
        for (inflater, bytes) in [(Inflater::gzip(), &gz), (Inflater::zstd().unwrap(), &zst)] {
            assert_eq!(inflate(inflater, &bytes[..bytes.len() - 1], 4096), Err(InflateError::Corrupt));
        }
        assert_eq!(inflate(Inflater::gzip(), b"{\"id\":1}", 4096), Err(InflateError::Corrupt));
        assert_eq!(inflate(Inflater::zstd().unwrap(), b"{\"id\":1}", 4096), Err(InflateError::Corrupt));
        assert_eq!(inflate(Inflater::gzip(), b"", 4096), Ok(Vec::new()));
        assert_eq!(inflate(Inflater::zstd().unwrap(), b"", 4096), Ok(Vec::new()));
    }
}
