use std::collections::VecDeque;
use std::io::{self, Read, Write};

use proptest::prelude::*;

use super::*;

/// A client that sends what it has in pieces, and keeps the answers.
struct Client {
    pieces: VecDeque<Vec<u8>>,
    answers: Vec<u8>,
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.pieces.pop_front() else {
            return Ok(0);
        };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        if count < piece.len() {
            self.pieces.push_front(piece.split_off(count));
        }
        Ok(count)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answers.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a server without networks answers.
fn talk(pieces: impl IntoIterator<Item = Vec<u8>>) -> String {
    let mut client = Client {
        pieces: pieces.into_iter().collect(),
        answers: Vec::new(),
    };
    let answer = |request: &Request| answer(request, || Ok(Vec::new()));
    session::serve(&mut client, answer, || false).expect("memory does not fail");
    String::from_utf8(client.answers).expect("answers are UTF-8")
}

fn statuses(answers: &str) -> Vec<&str> {
    let heads = answers.match_indices("HTTP/1.1 ");
    heads
        .map(|(at, start)| &answers[at + start.len()..][..3])
        .collect()
}

/// What docker 28.2.2 sends.
const PING: &str = "HEAD /_ping HTTP/1.1\r\nHost: api.moby.localhost\r\nUser-Agent: Docker-Client/28.2.2 (linux)\r\n\r\n";
const LIST: &str = "GET /v1.43/networks?filters=%7B%22driver%22%3A%7B%22ipip%22%3Atrue%7D%7D HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a13_pipelined_requests_are_answered_in_order() {
    let answers = talk([format!("{PING}{LIST}").into_bytes()]);
    assert_eq!(statuses(&answers), ["200", "200"]);
    assert!(answers.contains("Api-Version: 1.43\r\n"), "{answers}");
    assert!(
        answers.ends_with("\r\n\r\n[]\n"),
        "a HEAD has no body, the list has: {answers}"
    );
}

#[test]
fn a13_a_request_may_come_byte_by_byte() {
    let bytes = format!("{PING}{LIST}").into_bytes();
    let whole = talk([bytes.clone()]);
    assert_eq!(talk(bytes.into_iter().map(|byte| vec![byte])), whole);
}

#[test]
fn a_body_is_dropped_and_the_next_request_found() {
    let request = "GET /_ping HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\nGET";
    let answers = talk([request.as_bytes().to_vec()]);
    assert_eq!(
        statuses(&answers),
        ["200", "404"],
        "and nothing after a close"
    );
}

#[test]
fn what_is_no_request_or_too_large_is_refused_and_ended() {
    let many = "X: y\r\n".repeat(http::MAX_FIELDS + 1);
    for (request, status) in [
        ("\x16\x03\x01\x02\x00\x01".to_owned(), "400"),
        ("GET /\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), "431"),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(http::MAX_HEAD)),
            "431",
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            "501",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999999\r\n\r\n".to_owned(),
            "413",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello".to_owned(),
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
            "400",
        ),
    ] {
        let answers = talk([format!("{request}{PING}").into_bytes()]);
        assert_eq!(statuses(&answers), [status], "{request}");
        assert!(answers.contains("Connection: close\r\n"));
    }
    // Without an end nothing is answered, and nothing is kept but one head.
    assert_eq!(talk([b"GET / HT".to_vec()]), "");
}

fn asked(method: &str, path: &str, query: &str) -> Response {
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        keep_alive: true,
    };
    answer(&request, || Ok(Vec::new()))
}

#[test]
fn only_what_reads_is_allowed() {
    for method in ["POST", "DELETE", "PUT", "PATCH", "get"] {
        for path in ["/networks", "/v1.43/networks/x", "/_ping"] {
            assert_eq!(asked(method, path, "").status(), 405, "{method} {path}");
        }
    }
    assert_eq!(asked("POST", "/networks/create", "").status(), 405);
    assert_eq!(asked("GET", "/containers/json", "").status(), 404);
    assert_eq!(asked("GET", "/networksx", "").status(), 404);
    assert_eq!(asked("GET", "/v1.43/version", "").status(), 200);
    let missing = asked("GET", "/v1.43/networks/shop/v", "");
    assert_eq!(
        (missing.status(), missing.body()),
        (404, "{\"message\":\"network shop/v not found\"}\n")
    );
}

#[test]
fn bad_filters_are_named() {
    for (query, expected) in [
        ("filters=%7B", "invalid filters"),
        (
            "filters=%7B%22colour%22%3A%7B%22red%22%3Atrue%7D%7D",
            "invalid filter `colour`",
        ),
        ("filters=%5B%5D", "invalid filters"),
    ] {
        let response = asked("GET", "/networks", query);
        assert_eq!(response.status(), 400);
        assert!(response.body().contains(expected), "{}", response.body());
    }
    for query in [
        "",
        "filters=",
        "filters=%7B%7D",
        "filters=%7B%22name%22%3A%5B%22x%22%5D%7D",
        "x=y",
    ] {
        assert_eq!(asked("GET", "/networks", query).status(), 200, "{query}");
    }
}

#[test]
fn a_source_that_fails_is_an_error_of_the_server() {
    let request = Request {
        method: "GET".into(),
        path: "/networks".into(),
        query: String::new(),
        keep_alive: true,
    };
    assert_eq!(answer(&request, || Err("no store".into())).status(), 500);
}

proptest! {
    /// Whatever is sent: no panic, every answer is HTTP, and the connection ends.
    #[test]
    fn no_bytes_break_a_session(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
        let answers = talk(pieces);
        prop_assert!(answers.is_empty() || answers.starts_with("HTTP/1.1 "));
    }

    /// Requests with something wrong in them.
    #[test]
    fn no_damaged_request_breaks_a_session(at in 0..200_usize, byte in any::<u8>(), cut in 0..400_usize) {
        let mut bytes = format!("{PING}{LIST}{PING}").into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(cut.max(1));
        let answers = talk([bytes]);
        prop_assert!(statuses(&answers).len() <= 3);
    }
}
