//! The streams themselves. They write to memory alone, so that they fail only where memory does.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderMap;

use super::negotiate::Encoding;
use crate::protocol::{Broken, Transform};

/// How hard is tried: about as much as a worker can do beside its other requests.
const GZIP_LEVEL: u32 = 5;
const BROTLI_LEVEL: i32 = 4;
const ZSTD_LEVEL: i32 = 3;
/// How far back is looked, as a power of two: half a MiB. With more, thousands of streams would take gigabytes.
const WINDOW: u32 = 19;
const BROTLI_BUFFER: usize = 4096;

/// One response's stream; none once it has ended.
pub(super) struct Encoder(Option<Stream>);

enum Stream {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    pub(super) fn new(encoding: Encoding) -> io::Result<Self> {
        Ok(Self(Some(match encoding {
            Encoding::Gzip => Stream::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Encoding::Brotli => {
                let window = i32::try_from(WINDOW).unwrap_or(19);
                let params = BrotliEncoderParams { quality: BROTLI_LEVEL, lgwin: window, ..Default::default() };
                Stream::Brotli(Box::new(CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER, &params)))
            }
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(WINDOW)?;
                Stream::Zstd(encoder)
            }
        })))
    }

    fn step(&mut self, out: &mut Vec<u8>, step: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Broken> {
        let stream = self.0.as_mut().ok_or(Broken)?;
        step(stream.writer()).map_err(|_| Broken)?;
        out.append(stream.made());
        Ok(())
    }
}

impl Stream {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(stream) => stream,
            Self::Brotli(stream) => stream,
            Self::Zstd(stream) => stream,
        }
    }

    /// What it has written.
    fn made(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(stream) => stream.get_mut(),
            Self::Brotli(stream) => stream.get_mut(),
            Self::Zstd(stream) => stream.get_mut(),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(stream) => stream.finish(),
            Self::Brotli(stream) => Ok(stream.into_inner()),
            Self::Zstd(stream) => stream.finish(),
        }
    }
}

impl Transform for Encoder {
    fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        self.step(out, |stream| stream.write_all(piece))
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        self.step(out, |stream| stream.flush())
    }

    fn end(&mut self, trailers: Option<HeaderMap>, out: &mut Vec<u8>) -> Result<Option<HeaderMap>, Broken> {
        let stream = self.0.take().ok_or(Broken)?;
        out.append(&mut stream.finish().map_err(|_| Broken)?);
        Ok(trailers)
    }
}
