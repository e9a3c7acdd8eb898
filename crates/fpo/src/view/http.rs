//! One request and one response per connection: reading a request's head, and writing what answers
//! it. Requests have no body here, connections are not kept, and every size and time is bounded.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest request line and headers, in bytes; browsers send less than one of the 8 KiB.
const LONGEST_HEAD: usize = 8 << 10;
/// Most headers of a request.
const MOST_HEADERS: usize = 64;
/// Time for the whole head of a request.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// Time for a whole response, also a film's over a slow network.
const RESPONSE_TIME: Duration = Duration::from_secs(300);
/// Time in which a client has to take some bytes of the response.
const STALL_TIME: Duration = Duration::from_secs(10);
/// Bytes that are read and dropped after a refusal: closed with unread bytes, a connection is
/// reset, and the client may not see why.
const DRAINED: usize = 64 << 10;
/// Time for them.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// A request that may be answered: a GET or HEAD, for this server, by its own pages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Whether only the head of the response is wanted.
    pub(super) head: bool,
    /// The path's segments, decoded; `/` has one, which is empty.
    pub(super) path: Vec<String>,
    /// The tag of the response that the client has.
    pub(super) known: Option<String>,
    /// The header `Range`.
    pub(super) range: Option<String>,
}

/// What a request is answered with instead of content: a status and a line of text.
pub(super) type Refusal = (u16, &'static str);

/// Reads a request; none if the client sent nothing.
pub(super) fn read(stream: &TcpStream, public: bool) -> Result<Option<Request>, Refusal> {
    let deadline = Instant::now() + HEAD_TIME;
    let mut bytes = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err((408, "the request took too long"));
        }
        let mut chunk = [0; 2048];
        let room = chunk.len().min(LONGEST_HEAD - bytes.len());
        match (&mut &*stream).read(&mut chunk[..room]) {
            Ok(0) if bytes.is_empty() => return Ok(None),
            Ok(0) => return Err((400, "the request is not complete")),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return match bytes.is_empty() {
                    true => Ok(None),
                    false => Err((408, "the request took too long")),
                };
            }
            Err(_) => return Ok(None),
        }
        if let Some(request) = parse(&bytes, public)? {
            return Ok(Some(request));
        }
        if bytes.len() >= LONGEST_HEAD {
            return Err(match bytes.contains(&b'\n') {
                true => (431, "the headers are too long"),
                false => (414, "the address is too long"),
            });
        }
    }
}

/// Parses the head of a request; none while it is not complete. Refuses what is not for this
/// server: a host's name that is not this machine's stands for a page elsewhere whose name was
/// made to lead here (DNS rebinding), and requests from other pages are not answered either.
fn parse(bytes: &[u8], public: bool) -> Result<Option<Request>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err((431, "there are too many headers")),
        Err(httparse::Error::Version) => return Err((505, "this server speaks HTTP/1.1")),
        Err(_) => return Err((400, "this is not a request of HTTP")),
    }
    let headers = &*parsed.headers;
    let all = |name: &'static str| {
        let of_name = move |header: &&httparse::Header| header.name.eq_ignore_ascii_case(name);
        headers.iter().filter(of_name).map(|header| header.value)
    };
    let first = |name| {
        all(name)
            .next()
            .and_then(|value| str::from_utf8(value).ok())
    };
    let mut hosts = all("host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if str::from_utf8(host).is_ok_and(|host| is_here(host, public)) => {}
        (Some(_), None) => {
            return Err((
                421,
                "open this as localhost or by an address: other names may be anybody's",
            ));
        }
        _ => return Err((400, "a request has one Host header")),
    }
    let head = match parsed.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err((405, "this server is read-only: GET and HEAD alone")),
    };
    if all("expect").next().is_some() {
        return Err((417, "this server fulfils no expectations"));
    }
    let empty = all("content-length").all(|length| length == b"0");
    if !empty || all("transfer-encoding").next().is_some() {
        return Err((413, "a request has no body here"));
    }
    // Browsers say on whose behalf they ask. A link or an address that is typed may lead here.
    let by = first("sec-fetch-site").unwrap_or("none");
    let navigates = first("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    if !matches!(by, "none" | "same-origin") && !navigates {
        return Err((403, "other pages do not get to read this one"));
    }
    let target = parsed.path.unwrap_or_default();
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let path = path
        .strip_prefix('/')
        .ok_or((400, "an address begins with /"))?;
    let segments = path.split('/').map(decoded).collect::<Option<_>>();
    Ok(Some(Request {
        head,
        path: segments.ok_or((400, "the address is not encoded as it has to be"))?,
        known: first("if-none-match").map(str::to_owned),
        range: first("range").map(str::to_owned),
    }))
}

/// Whether a `Host` header names this machine: as `localhost` or by a loopback address, or, where
/// the server is `public`, by any address; never by another name, to which somebody else may give
/// any address. The port does not matter: a tunnel may have another one.
fn is_here(host: &str, public: bool) -> bool {
    let (name, rest) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, rest)) if name.contains(':') => (name, rest),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = rest.strip_prefix(':');
    let is_port = |port: &str| {
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        digits && port.parse::<u16>().is_ok()
    };
    if !(rest.is_empty() || port.is_some_and(is_port)) {
        return false;
    }
    match name.parse::<IpAddr>() {
        Ok(address) => public || address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

/// A segment of a path with its `%NN` decoded; none if it is not UTF-8 then, or has control
/// characters.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// What pages may do that come with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// Nothing: it is data.
    Data,
    /// The viewer's page: its own scripts, styles, pictures and films.
    Page,
    /// The figures: the same, and WebAssembly, also in workers.
    Figures,
}

impl Policy {
    /// The header `Content-Security-Policy`. Nothing is inline, nothing is from elsewhere.
    fn header(self) -> &'static str {
        match self {
            Self::Data => "default-src 'none'; frame-ancestors 'none'; sandbox",
            Self::Page => {
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                 media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'"
            }
            Self::Figures => {
                "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; \
                 img-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'"
            }
        }
    }
}

/// The content of a response.
#[derive(Debug)]
pub(super) enum Body {
    Bytes(Cow<'static, [u8]>),
    Shared(Arc<Vec<u8>>),
    /// A file and its length when it was opened.
    File(File, u64),
}

impl Body {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Shared(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }
}

/// A response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) policy: Policy,
    /// Its tag, by which a client asks whether it has changed.
    pub(super) tag: Option<String>,
    /// Whether parts of it can be had.
    pub(super) parts: bool,
    pub(super) body: Body,
}

impl Response {
    pub(super) fn new(kind: &'static str, policy: Policy, body: Body) -> Self {
        Self {
            status: 200,
            kind,
            policy,
            tag: None,
            parts: false,
            body,
        }
    }

    /// A line of text for a client that gets nothing else.
    pub(super) fn refusal((status, why): Refusal) -> Self {
        let text = format!("{why}\n").into_bytes();
        Self {
            status,
            ..Self::new(
                "text/plain; charset=utf-8",
                Policy::Data,
                Body::Bytes(text.into()),
            )
        }
    }

    /// Sends it as the answer to `request`, and closes the connection.
    ///
    /// # Errors
    /// If the client takes it too slowly, or is gone.
    pub(super) fn send(self, stream: &TcpStream, request: Option<&Request>) -> io::Result<()> {
        let Self {
            mut status,
            kind,
            policy,
            tag,
            parts,
            mut body,
        } = self;
        let length = body.length();
        let mut part = 0..length;
        let mut more = String::new();
        if let Some(tag) = &tag {
            more += &format!("ETag: {tag}\r\n");
            if request.and_then(|r| r.known.as_ref()) == Some(tag) {
                (status, part) = (304, 0..0);
            }
        }
        if parts {
            more += "Accept-Ranges: bytes\r\n";
            match request
                .and_then(|r| r.range.as_deref())
                .map(|r| range(r, length))
            {
                None | Some(Wanted::All) => {}
                Some(Wanted::Part(wanted)) => {
                    let (first, last) = (wanted.start, wanted.end - 1);
                    more += &format!("Content-Range: bytes {first}-{last}/{length}\r\n");
                    (status, part) = (206, wanted);
                }
                Some(Wanted::Nothing) => {
                    more += &format!("Content-Range: bytes */{length}\r\n");
                    (status, part) = (416, 0..0);
                }
            }
        }
        if status == 405 {
            more += "Allow: GET, HEAD\r\n";
        }
        if status != 304 {
            let length = part.end - part.start;
            more += &format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
        }
        let head = format!(
            "HTTP/1.1 {status} {}\r\n{more}Content-Security-Policy: {}\r\n{ALWAYS}\r\n",
            reason(status),
            policy.header()
        );
        let mut out = Slowly {
            stream,
            deadline: Instant::now() + RESPONSE_TIME,
        };
        out.write_all(head.as_bytes())?;
        if !request.is_some_and(|request| request.head) {
            match &mut body {
                Body::Bytes(bytes) => out.write_all(slice(bytes, &part))?,
                Body::Shared(bytes) => out.write_all(slice(bytes, &part))?,
                Body::File(file, _) => {
                    file.seek(SeekFrom::Start(part.start))?;
                    io::copy(&mut file.take(part.end - part.start), &mut out)?;
                }
            }
        }
        close(stream);
        Ok(())
    }
}

/// Headers of every response. The browser asks each time whether it has the newest.
const ALWAYS: &str = "Cache-Control: no-cache\r\n\
    X-Content-Type-Options: nosniff\r\n\
    X-Frame-Options: DENY\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n\
    Cross-Origin-Embedder-Policy: require-corp\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Permissions-Policy: camera=(), geolocation=(), microphone=()\r\n\
    Connection: close\r\n";

fn slice<'a>(bytes: &'a [u8], part: &Range<u64>) -> &'a [u8] {
    &bytes[part.start as usize..part.end as usize]
}

/// Ends a connection so that the client gets all that was written.
fn close(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let deadline = Instant::now() + DRAIN_TIME;
    let mut dropped = [0; 4096];
    for _ in 0..DRAINED / dropped.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        if !matches!((&mut &*stream).read(&mut dropped), Ok(1..)) {
            return;
        }
    }
}

/// A connection that is written to within a time.
struct Slowly<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl Write for Slowly<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_write_timeout(Some(left.min(STALL_TIME)))?;
        (&mut &*self.stream).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(Range<u64>),
    Nothing,
}

/// The part of `length` bytes that a `Range` header asks for. Of several parts, or of what is not
/// understood, all is sent, which is always allowed.
fn range(header: &str, length: u64) -> Wanted {
    let bounds = header.trim().strip_prefix("bytes=");
    let Some((first, last)) = bounds.and_then(|bounds| bounds.split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(last)) if first.is_empty() => length.saturating_sub(last)..length,
        _ => return Wanted::All,
    };
    match part.is_empty() {
        true => Wanted::Nothing,
        false => Wanted::Part(part),
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_this_machine() {
        for host in [
            "localhost",
            "LocalHost:80",
            "127.0.0.1",
            "127.0.0.1:65535",
            "127.9.8.7:1",
            "[::1]",
            "[::1]:8420",
        ] {
            assert!(is_here(host, false) && is_here(host, true), "{host}");
        }
        for host in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "localhost:",
            "localhost:65536",
            "localhost:+80",
            "localhost:80:80",
            "user@localhost",
            "[::1",
            "[::1]x",
            "[127.0.0.1]",
            "[localhost]",
            "0x7f.1",
            "127.1",
            "2130706433",
            "localhost ",
        ] {
            assert!(!is_here(host, false) && !is_here(host, true), "{host}");
        }
        // Addresses, which cannot be made to lead elsewhere, where the user asked for it.
        for host in ["10.0.0.7:8420", "0.0.0.0", "[fd00::7]:1"] {
            assert!(!is_here(host, false) && is_here(host, true), "{host}");
        }
    }

    #[test]
    fn segments_are_decoded_once() {
        let cases = [
            ("a%20b", Some("a b")),
            ("%252e", Some("%2e")),
            ("%c3%a4", Some("ä")),
            ("a%2Fb", Some("a/b")),
            ("%", None),
            ("%4", None),
            ("%+1", None),
            ("%ff", None),
            ("%00", None),
            ("%0a", None),
        ];
        for (coded, plain) in cases {
            assert_eq!(decoded(coded).as_deref(), plain, "{coded}");
        }
    }

    #[test]
    fn ranges_of_a_file() {
        let cases = [
            ("bytes=0-", Wanted::Part(0..100)),
            ("bytes=10-19", Wanted::Part(10..20)),
            ("bytes=90-500", Wanted::Part(90..100)),
            ("bytes=-7", Wanted::Part(93..100)),
            ("bytes=-700", Wanted::Part(0..100)),
            ("bytes=99999999999999999999-", Wanted::Nothing),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-4", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=+1-", Wanted::All),
            ("lines=1-2", Wanted::All),
        ];
        for (header, wanted) in cases {
            assert_eq!(range(header, 100), wanted, "{header}");
        }
        assert_eq!(range("bytes=0-", 0), Wanted::Nothing);
        let extremes = format!("bytes=0-{}", u64::MAX);
        assert_eq!(range(&extremes, 9), Wanted::Part(0..9));
    }
}
