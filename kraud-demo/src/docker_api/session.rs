//! One connection, from its first request to its end.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use super::http::{self, MAX_BODY, MAX_HEAD, Request, Response};

/// How long a client may take for one request, from the end of the one before it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Answers requests, also pipelined ones, until the client or `is_over` ends it.
///
/// A read of `stream` has to come back from time to time with [`ErrorKind::WouldBlock`], for `is_over` to be asked.
/// The buffer never holds more than one head, one body and one read.
///
/// # Errors
///
/// Those of the stream.
pub fn serve(
    stream: &mut (impl Read + Write),
    answer: impl Fn(&Request) -> Response,
    is_over: impl Fn() -> bool,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    let mut begin = Instant::now();
    loop {
        loop {
            match http::parse(&buffer) {
                Err(refusal) => return stream.write_all(&refusal.bytes(false, false)),
                Ok(None) => break,
                Ok(Some((request, length))) => {
                    buffer.drain(..length);
                    let bytes =
                        answer(&request).bytes(request.method == "HEAD", request.keep_alive);
                    stream.write_all(&bytes)?;
                    if !request.keep_alive || is_over() {
                        return Ok(());
                    }
                    begin = Instant::now();
                }
            }
        }
        debug_assert!(
            buffer.len() < MAX_HEAD + MAX_BODY,
            "the parser asks for no more"
        );
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => buffer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if is_over() {
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
        if begin.elapsed() > PATIENCE {
            if buffer.is_empty() {
                return Ok(());
            }
            let late = Response::error(408, "the request took too long");
            return stream.write_all(&late.bytes(false, false));
        }
    }
}
