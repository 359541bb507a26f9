//! As much of HTTP/1.1 (RFC 9112) as docker's client speaks to a daemon, with a bound on everything.

use serde_json::{Value, json};

/// The longest head that is read, in bytes. docker's client sends about 150.
pub const MAX_HEAD: usize = 16 * 1024;
/// The most header fields.
pub const MAX_FIELDS: usize = 64;
/// The longest body that is read, in bytes; none of ours has one.
pub const MAX_BODY: usize = 64 * 1024;

/// A request whose body has been read and dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// In capitals, as it was sent.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// What follows the `?`, or nothing.
    pub query: String,
    /// Whether the client wants to go on with this connection.
    pub keep_alive: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

/// Reads the request at the beginning of `buffer`, and how many bytes it takes with its body.
///
/// Gives nothing while it is not there in full. O(n), and nothing is copied before it is.
///
/// # Errors
///
/// The answer to give before the connection is closed, for what is no request or is too large.
pub fn parse(buffer: &[u8]) -> Result<Option<(Request, usize)>, Response> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    // No more than a head may have: whatever is behind it can make it neither longer nor slower.
    let window = &buffer[..buffer.len().min(MAX_HEAD)];
    let head_length = match head.parse(window) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() < MAX_HEAD => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(Response::error(431, "the request's head is too large"));
        }
        Err(error) => return Err(Response::error(400, &format!("bad request: {error}"))),
    };
    let length = head_length + body_length(head.headers)?;
    if buffer.len() < length {
        return Ok(None);
    }
    let target = head.path.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        keep_alive: keep_alive(head.version, head.headers),
    };
    Ok(Some((request, length)))
}

/// The length of the body, which two fields must not tell differently (RFC 9112 section 6.3).
fn body_length(fields: &[httparse::Header<'_>]) -> Result<usize, Response> {
    let mut length = None;
    for field in fields {
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Response::error(501, "a transfer coding is not supported"));
        }
        if !field.name.eq_ignore_ascii_case("content-length") {
            continue;
        }
        let digits = field.value;
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let value = match text.parse::<usize>() {
            Ok(value) if is_number && value <= MAX_BODY => value,
            _ if is_number => return Err(Response::error(413, "the request's body is too large")),
            _ => return Err(Response::error(400, "Content-Length is no number")),
        };
        if length.replace(value).is_some_and(|other| other != value) {
            return Err(Response::error(400, "two values of Content-Length"));
        }
    }
    Ok(length.unwrap_or(0))
}

fn keep_alive(version: Option<u8>, fields: &[httparse::Header<'_>]) -> bool {
    let has = |wanted: &str| {
        let mut connection = fields
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case("connection"));
        connection.any(|field| {
            let text = std::str::from_utf8(field.value).unwrap_or_default();
            text.split(',')
                .any(|word| word.trim().eq_ignore_ascii_case(wanted))
        })
    };
    match version {
        Some(1) => !has("close"),
        _ => has("keep-alive"),
    }
}

impl Response {
    /// A text.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    /// Data.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            content_type: "application/json",
            ..Self::text(status, &format!("{body}\n"))
        }
    }

    /// An error in docker's form.
    #[must_use]
    pub fn error(status: u16, message: &str) -> Self {
        Self::json(status, &json!({ "message": message }))
    }

    /// Adds a header field.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The bytes on the wire; a HEAD request is answered without the body.
    #[must_use]
    pub fn bytes(&self, head_only: bool, keep_alive: bool) -> Vec<u8> {
        let mut text = format!(
            "HTTP/1.1 {} {}\r\nApi-Version: {}\r\nOstype: linux\r\nServer: kraud\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            self.status,
            reason(self.status),
            super::API_VERSION,
            self.content_type,
            self.body.len(),
        );
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if !keep_alive {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("\r\n");
        if !head_only {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
