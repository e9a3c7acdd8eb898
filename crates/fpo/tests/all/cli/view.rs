//! `fpo view` as a browser, a stranger and a training meet it: requests over TCP to the program.

use crate::cli::shim::{Held, with_default_signals};
use crate::cli::{
    PROGRAM, assert_same, folder_with_run, fpo, quick, record, stderr, succeeds, tiny,
};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A viewer that is running.
struct Viewer {
    child: Child,
    /// Its address, as `127.0.0.1:PORT`.
    at: String,
}

impl Viewer {
    /// Views `run`, a path in `folder`.
    fn of(folder: &TempDir, run: &str) -> Self {
        let command = fpo(folder, &["view", run, "--no-open", "--port", "0"]);
        let mut child = with_default_signals(&command)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let at = line.trim().strip_prefix("http://").expect("an address");
        let at = at.strip_suffix('/').unwrap().to_owned();
        Self { child, at }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.at).unwrap();
        // Only against a test that hangs.
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .unwrap();
        stream
    }

    /// Sends these bytes, and then nothing more.
    fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that has refused enough may close before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        Answer::read(stream)
    }

    /// A request with these headers beside the host.
    fn request(&self, method: &str, path: &str, more: &str) -> Answer {
        let host = &self.at;
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n").as_bytes())
    }

    fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "")
    }

    fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Waits until what is at an address is as wanted; snapshots are not made at every request.
    fn wait(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let found = self.json(path);
            if wanted(&found) {
                return found;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as Ctrl-C does, and returns its exit code.
    fn end(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a server answered; status 0 if it closed without a word.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        // A reset after the answer is none of its parts.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n");
        let Some(end) = end else {
            assert!(bytes.is_empty(), "{}", String::from_utf8_lossy(&bytes));
            return Self {
                status: 0,
                head: String::new(),
                body: Vec::new(),
            };
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3]
            .parse()
            .unwrap();
        Self {
            status,
            head: head + "\r\n",
            body: bytes[end + 4..].to_vec(),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }
}

/// What must not get out.
const SECRET: &str = "SECRET-7261";

/// A folder with a run that holds a film, and beside it, behind links and in other files, what is
/// nobody's business.
fn folder_with_secrets() -> TempDir {
    let (folder, run) = folder_with_run();
    for place in [
        "secret.txt",
        "runs/secret.txt",
        "runs/run/secret.txt",
        "runs/run/s.html",
    ] {
        fs::write(folder.path().join(place), SECRET).unwrap();
    }
    fs::write(run.join("film.mp4"), "0123456789").unwrap();
    std::os::unix::fs::symlink("../../secret.txt", run.join("link.mp4")).unwrap();
    fs::create_dir(run.join("folder.mp4")).unwrap();
    fs::write(run.join("folder.mp4/in.mp4"), SECRET).unwrap();
    let pipe = Command::new("mkfifo").arg(run.join("pipe.mp4")).status();
    assert!(pipe.unwrap().success());
    folder
}

/// Addresses that lead nowhere.
const PATHS: [&str; 74] = [
    "/..",
    "/../secret.txt",
    "/../../secret.txt",
    "/%2e%2e/secret.txt",
    "/..%2fsecret.txt",
    "/%2e%2e%2fsecret.txt",
    "/%252e%252e%252fsecret.txt",
    "/....//secret.txt",
    "/..;/secret.txt",
    "/..\\secret.txt",
    "/..%5csecret.txt",
    "/%c0%ae%c0%ae/secret.txt",
    "/%uff0e%uff0e/secret.txt",
    "/./secret.txt",
    "/.",
    "//",
    "//secret.txt",
    "///etc/passwd",
    "/secret.txt",
    "/secret.txt%00.html",
    "/%00",
    "/%0d%0aSet-Cookie:%20a=b",
    "/%",
    "/%4",
    "/%zz",
    "/%ff%fe",
    "/etc/passwd",
    "/proc/self/environ",
    "/file:///etc/passwd",
    "/http://127.0.0.1/",
    "/.git/config",
    "/.lock",
    "/config.toml",
    "/metrics.jsonl",
    "/checkpoints",
    "/runs/run/config.toml",
    "/runs/run/secret.txt",
    "/s.html",
    "/js",
    "/js/",
    "/js/..",
    "/js/../style.css",
    "/js//main.js",
    "/test/server.mjs",
    "/test/package.json",
    "/index.html/",
    "/INDEX.HTML",
    "/index.html%20",
    "/index.html.",
    "/index.html::$DATA",
    "/api",
    "/api/",
    "/api/runs/",
    "/api/runs/none",
    "/api/runs/..",
    "/api/runs/%2e%2e",
    "/api/runs/run/",
    "/api/runs/run%2f..%2frun",
    "/api/runs/../runs/run",
    "/api/runs/RUN",
    "/api/runs/run%20",
    "/api/runs/run/config.toml",
    "/api/runs/run/films/",
    "/api/runs/run/films/secret.txt",
    "/api/runs/run/films/config.toml",
    "/api/runs/run/films/..%2f..%2fsecret.txt",
    "/api/runs/run/films/%2fetc%2fpasswd",
    "/api/runs/run/films/link.mp4",
    "/api/runs/run/films/folder.mp4",
    "/api/runs/run/films/folder.mp4%2fin.mp4",
    "/api/runs/run/films/pipe.mp4",
    "/api/runs/run/robot/-1.mp4",
    "/api/runs/run/robot/99999999999999999999999.mp4",
    "/api/runs/run/robot/1280.mp4%00",
];

/// Methods that are not for reading.
const METHODS: [&str; 12] = [
    "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "GETS",
    "DEBUG", "G",
];

/// Hosts that are somebody else's.
const HOSTS: [&str; 17] = [
    "evil.example",
    "evil.example:8420",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "evil.example#127.0.0.1",
    "localhost:80:80",
    "localhost:99999",
    "10.0.0.1",
    "0.0.0.0",
    "[::]",
    "[fd00::1]",
    "127.1",
    "2130706433",
    "0x7f000001",
    "localhost.",
    "",
];

/// Headers, and the status that they are answered with.
const HEADERS: [(&str, u16); 20] = [
    ("Content-Length: 5\r\n", 413),
    ("Content-Length: -1\r\n", 413),
    ("Content-Length: 0, 5\r\n", 413),
    ("Content-Length: 99999999999999999999999\r\n", 413),
    ("Content-Length: 0\r\nContent-Length: 7\r\n", 413),
    ("Transfer-Encoding: chunked\r\n", 413),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 413),
    ("Transfer-Encoding : chunked\r\n", 400),
    ("Expect: 100-continue\r\n", 417),
    ("Host: localhost\r\n", 400),
    ("Host: evil.example\r\n", 400),
    ("no colon\r\n", 400),
    (": no name\r\n", 400),
    ("A: folded\r\n to the next line\r\n", 400),
    ("A: \0\r\n", 400),
    ("A: a bare \r return\r\n", 400),
    ("A\u{7f}: b\r\n", 400),
    (
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
        403,
    ),
    ("Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n", 403),
    ("Sec-Fetch-Site: cross-site\r\n", 403),
];

/// Bytes that are no request, or a broken one, and statuses of which one answers them.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let text = |text: &str| text.as_bytes().to_vec();
    let host = "Host: localhost\r\n";
    let many = |n: usize| -> String { (0..n).map(|k| format!("A{k}: b\r\n")).collect() };
    vec![
        ("nothing", Vec::new(), &[0]),
        ("an empty line", text("\r\n"), &[400]),
        ("empty lines", text(&"\r\n".repeat(3000)), &[400]),
        ("spaces", text(&" ".repeat(100)), &[400]),
        ("half a line", text("GET / HT"), &[400]),
        ("half a head", text("GET / HTTP/1.1\r\nHost: loc"), &[400]),
        (
            "no last line",
            text(&format!("GET / HTTP/1.1\r\n{host}")),
            &[400],
        ),
        (
            "no version",
            text(&format!("GET /\r\n{host}\r\n")),
            &[400, 505],
        ),
        ("HTTP/0.9", text("GET /\r\n"), &[400, 505]),
        (
            "HTTP/1.0 without a host",
            text("GET / HTTP/1.0\r\n\r\n"),
            &[400],
        ),
        (
            "HTTP/1.2",
            text(&format!("GET / HTTP/1.2\r\n{host}\r\n")),
            &[400, 505],
        ),
        (
            "HTTP/9.9",
            text(&format!("GET / HTTP/9.9\r\n{host}\r\n")),
            &[400, 505],
        ),
        (
            "HTTP/2",
            text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            &[400, 505],
        ),
        (
            "http/1.1",
            text(&format!("GET / http/1.1\r\n{host}\r\n")),
            &[400, 505],
        ),
        ("no host", text("GET / HTTP/1.1\r\n\r\n"), &[400]),
        (
            "no path",
            text(&format!("GET  HTTP/1.1\r\n{host}\r\n")),
            &[400, 505],
        ),
        (
            "a star",
            text(&format!("GET * HTTP/1.1\r\n{host}\r\n")),
            &[400],
        ),
        (
            "a proxy's",
            text(&format!("GET http://a.b/ HTTP/1.1\r\n{host}\r\n")),
            &[400],
        ),
        (
            "a relative path",
            text(&format!("GET secret.txt HTTP/1.1\r\n{host}\r\n")),
            &[400],
        ),
        (
            "two paths",
            text(&format!("GET / / HTTP/1.1\r\n{host}\r\n")),
            &[400, 505],
        ),
        (
            "control characters",
            text(&format!("GET /\u{1}\u{2} HTTP/1.1\r\n{host}\r\n")),
            &[400],
        ),
        (
            "no method",
            text(&format!(" / HTTP/1.1\r\n{host}\r\n")),
            &[400],
        ),
        (
            "TLS",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\x12\x34\x56".to_vec(),
            &[400],
        ),
        ("SSH", text("SSH-2.0-OpenSSH_9.2\r\n"), &[400]),
        ("SMTP", text("EHLO evil.example\r\n"), &[400, 505]),
        ("zeros", vec![0; 5000], &[400]),
        ("high bytes", vec![0xff; 5000], &[400]),
        ("all bytes", (0..=255).collect(), &[400]),
        (
            "a long address",
            text(&format!("GET /{} HTTP/1.1\r\n{host}\r\n", "a".repeat(9000))),
            &[414],
        ),
        (
            "a very long one",
            text(&format!("GET /{}", "a".repeat(1 << 20))),
            &[414],
        ),
        (
            "a long query",
            text(&format!(
                "GET /?{} HTTP/1.1\r\n{host}\r\n",
                "a".repeat(9000)
            )),
            &[414],
        ),
        ("a long method", text(&"A".repeat(20_000)), &[414]),
        (
            "a long header",
            text(&format!(
                "GET / HTTP/1.1\r\n{host}A: {}\r\n\r\n",
                "b".repeat(9000)
            )),
            &[431],
        ),
        (
            "a long name of a header",
            text(&format!(
                "GET / HTTP/1.1\r\n{host}{}: b\r\n\r\n",
                "a".repeat(9000)
            )),
            &[431],
        ),
        (
            "65 headers",
            text(&format!("GET / HTTP/1.1\r\n{host}{}\r\n", many(64))),
            &[431],
        ),
        (
            "5000 headers",
            text(&format!("GET / HTTP/1.1\r\n{host}{}\r\n", many(5000))),
            &[431],
        ),
        (
            "headers without end",
            text(&format!("GET / HTTP/1.1\r\n{}", many(900))),
            &[431],
        ),
        (
            "a smuggled request",
            text(&format!(
                "GET /nothing HTTP/1.1\r\n{host}\r\nGET /api/runs HTTP/1.1\r\n{host}\r\n"
            )),
            &[404],
        ),
    ]
}

/// The headers that come with everything.
fn check_headers(answer: &Answer, what: &str) {
    for (name, value) in [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "no-referrer"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Embedder-Policy", "require-corp"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Connection", "close"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {}", answer.head);
    }
    let policy = answer.header("Content-Security-Policy").expect(what);
    assert!(policy.starts_with("default-src 'none'"), "{what}: {policy}");
    for loose in ["unsafe-inline", "'unsafe-eval'", "*", "http", "data:"] {
        assert!(!policy.contains(loose), "{what}: {policy}");
    }
    for absent in ["Access-Control-Allow-Origin", "Set-Cookie", "Server"] {
        assert_eq!(answer.header(absent), None, "{what}");
    }
}

#[test]
fn hostile_requests_get_a_line_and_nothing_else() {
    let folder = folder_with_secrets();
    let viewer = Viewer::of(&folder, "runs/run");
    let before = record(&folder.path().join("runs/run/checkpoints"));
    let mut count = 0;
    let mut check = |what: &str, answer: Answer, statuses: &[u16]| {
        count += 1;
        assert!(
            statuses.contains(&answer.status),
            "{what}: {} {}",
            answer.status,
            answer.text()
        );
        assert!(!answer.text().contains(SECRET), "{what}");
        if answer.status != 0 {
            check_headers(&answer, what);
            assert_eq!(
                answer.text().lines().count(),
                1,
                "{what}: {}",
                answer.text()
            );
        }
    };
    for path in PATHS {
        check(path, viewer.get(path), &[400, 404]);
    }
    for method in METHODS {
        let answer = viewer.request(method, "/", "");
        assert_eq!(answer.header("Allow"), Some("GET, HEAD"), "{method}");
        check(method, answer, &[405]);
    }
    for host in HOSTS {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        check(host, viewer.send(request.as_bytes()), &[421]);
    }
    for (headers, status) in HEADERS {
        check(
            headers,
            viewer.request("GET", "/api/runs", headers),
            &[status],
        );
    }
    for (what, bytes, statuses) in broken() {
        check(what, viewer.send(&bytes), statuses);
    }
    assert!(count >= 150, "{count}");
    // It still serves, and nothing was changed.
    assert_eq!(viewer.json("/api/runs")["names"][0], "run");
    assert_eq!(viewer.json("/api/runs/run")["state"], "complete");
    assert_same(
        &before,
        &record(&folder.path().join("runs/run/checkpoints")),
    );
    assert_eq!(viewer.end("-TERM"), Some(0));
}

/// Clients that take their time, and more of them than there are places, cost others a wait.
#[test]
fn slow_clients_do_not_keep_others_out() {
    let folder = folder_with_secrets();
    let viewer = Viewer::of(&folder, "runs/run");
    let silent: Vec<TcpStream> = (0..100).map(|_| viewer.connect()).collect();
    let mut slow = viewer.connect();
    let _ = slow.write_all(b"GET / HT");
    // Byte by byte, it is as slow.
    let mut drip = viewer.connect();
    let dripped = std::thread::spawn(move || {
        let mut sent = 0;
        for byte in format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(10_000)).bytes() {
            if drip.write_all(&[byte]).is_err() {
                break;
            }
            sent += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
        (sent, Answer::read(drip).status)
    });
    // Sooner or later there is a place.
    while viewer.get("/api/runs").status != 200 {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(silent);
    let status = Answer::read(slow).status;
    assert!([0, 408].contains(&status), "{status}");
    let (sent, status) = dripped.join().unwrap();
    assert!(
        sent < 10_000 && [0, 408].contains(&status),
        "{sent}, {status}"
    );
    // One that asks for a film and does not take it.
    let film = folder.path().join("runs/run/film.mp4");
    fs::write(film, vec![7; 64 << 20]).unwrap();
    let mut stalled = viewer.connect();
    let request = format!(
        "GET /api/runs/run/films/film.mp4 HTTP/1.1\r\nHost: {}\r\n\r\n",
        viewer.at
    );
    stalled.write_all(request.as_bytes()).unwrap();
    assert_eq!(viewer.json("/api/runs/run")["state"], "complete");
    // With a client that hangs, it ends at once all the same.
    assert_eq!(viewer.end("-INT"), Some(0));
}

/// Names that are not text, or not one line, and that read alike: each run has an address.
#[test]
fn every_run_of_a_list_can_be_opened() {
    use std::os::unix::ffi::OsStrExt;
    let (folder, run) = folder_with_run();
    for name in [&b"new\nline"[..], b"bad\xff", b"bad\xfe"] {
        let other = folder
            .path()
            .join("runs")
            .join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir(&other).unwrap();
        for file in ["config.toml", "metrics.jsonl"] {
            fs::copy(run.join(file), other.join(file)).unwrap();
        }
    }
    let viewer = Viewer::of(&folder, "runs");
    let list = viewer.json("/api/runs");
    let names: Vec<&str> = list["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    for name in &names {
        assert!(!name.contains(char::is_control), "{name:?}");
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let found = viewer.json(&format!("/api/runs/{encoded}"));
        assert_eq!(found["name"], *name);
        assert!(found["progress"].is_object(), "{found}");
    }
}

#[test]
fn what_is_served_is_served_right() {
    let folder = folder_with_secrets();
    let viewer = Viewer::of(&folder, "runs/run");
    for (path, kind, part) in [
        ("/", "text/html; charset=utf-8", "js/view/main.js"),
        (
            "/view.html?run=x",
            "text/html; charset=utf-8",
            "js/view/main.js",
        ),
        ("/index.html", "text/html; charset=utf-8", "Flow policies"),
        ("/view.css", "text/css; charset=utf-8", ".viewer"),
        (
            "/js/view/main.js",
            "text/javascript; charset=utf-8",
            "showRun",
        ),
        ("/favicon.ico", "image/svg+xml", "<svg"),
        ("/api/runs/run", "application/json", "headlines"),
    ] {
        let answer = viewer.get(path);
        assert_eq!(
            (answer.status, answer.header("Content-Type")),
            (200, Some(kind)),
            "{path}"
        );
        assert!(answer.text().contains(part), "{path}");
        check_headers(&answer, path);
        let length = answer.body.len().to_string();
        assert_eq!(answer.header("Content-Length"), Some(&*length), "{path}");
        // The head alone; and nothing, for one that has it.
        let head = viewer.request("HEAD", path, "");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("Content-Length"), Some(&*length), "{path}");
        let tag = answer.header("ETag").expect(path);
        let known = viewer.request("GET", path, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
    }
    assert_eq!(
        viewer.get("/fpo.wasm").header("Content-Type"),
        Some("application/wasm")
    );
    // Everything that a page names is there.
    for page in ["/", "/index.html"] {
        let text = viewer.get(page).text();
        let named = ["href=\"", "src=\""].map(|mark| text.split(mark).skip(1));
        for name in named
            .into_iter()
            .flatten()
            .map(|rest| rest.split('"').next().unwrap())
        {
            // The robots need more than the program has, and the answer says so.
            if name == "robots.html" {
                assert!(viewer.get("/robots.html").text().contains("site/build"));
            } else if !name.starts_with('#') && !name.contains("://") {
                assert_eq!(
                    viewer.get(&format!("/{name}")).status,
                    200,
                    "{page}: {name}"
                );
            }
        }
    }
    // Hosts of a tunnel, and a link from another page.
    for host in ["localhost:9999", "[::1]", "127.0.0.1"] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(viewer.send(request.as_bytes()).status, 200, "{host}");
    }
    let link = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n";
    assert_eq!(viewer.request("GET", "/", link).status, 200);
    // Parts of a film.
    let film = "/api/runs/run/films/film.mp4";
    let parts = [
        ("", 200, "0123456789", None),
        (
            "Range: bytes=0-\r\n",
            206,
            "0123456789",
            Some("bytes 0-9/10"),
        ),
        ("Range: bytes=2-4\r\n", 206, "234", Some("bytes 2-4/10")),
        ("Range: bytes=-3\r\n", 206, "789", Some("bytes 7-9/10")),
        ("Range: bytes=10-\r\n", 416, "", Some("bytes */10")),
        ("Range: bytes=5-2\r\n", 200, "0123456789", None),
        ("Range: bytes=0-1,4-5\r\n", 200, "0123456789", None),
    ];
    for (range, status, body, content) in parts {
        let answer = viewer.request("GET", film, range);
        assert_eq!((answer.status, &*answer.text()), (status, body), "{range}");
        assert_eq!(answer.header("Content-Range"), content, "{range}");
        assert_eq!(answer.header("Content-Type"), Some("video/mp4"));
    }
    let run = viewer.json("/api/runs/run");
    let films = run["films"].as_array().unwrap();
    assert_eq!(
        (films.len(), &films[0]["name"]),
        (1, &"film.mp4".into()),
        "{films:?}"
    );
    assert_eq!(run["checkpoint"], 1280);
    assert!(run["findings"].is_array() && run["settings"].as_str().unwrap().contains("gamma"));
    let pictures = run["training"]["pictures"].as_array().unwrap();
    let picture = pictures
        .iter()
        .find(|picture| picture["title"] == "policy loss");
    assert!(
        picture.unwrap()["svg"]
            .as_str()
            .unwrap()
            .starts_with("<svg")
    );
}

/// The policy of the newest checkpoint is filmed, once, and not in the run's folder.
#[test]
fn the_newest_policy_is_filmed() {
    let (folder, run) = folder_with_run();
    let before = record(&run);
    let viewer = Viewer::of(&folder, "runs/run");
    assert_eq!(viewer.get("/api/runs/run/robot/1280.mp4").status, 404);
    let status = viewer.wait("/api/runs/run/robot", |status| {
        let state = status["state"].as_str().unwrap();
        assert!(
            ["waiting", "filming", "ready", "failed"].contains(&state),
            "{status}"
        );
        ["ready", "failed"].contains(&state)
    });
    if status["state"] == "failed" {
        let why = status["message"].as_str().unwrap();
        assert!(
            why.contains("EGL") || why.contains("no device to draw with"),
            "{why}"
        );
        eprintln!("not tested: this machine has no EGL, or no driver for it");
        return;
    }
    let film = viewer.get("/api/runs/run/robot/1280.mp4");
    assert_eq!((film.status, &film.body[4..8]), (200, &b"ftyp"[..]));
    let again = viewer.request(
        "GET",
        "/api/runs/run/robot/1280.mp4",
        "Range: bytes=0-7\r\n",
    );
    assert_eq!((again.status, again.body.len()), (206, 8));
    assert_same(&before, &record(&run));
}

#[test]
fn a_folder_that_vanishes_or_is_damaged() {
    let (folder, run) = folder_with_run();
    let viewer = Viewer::of(&folder, "runs/run");
    let all = Viewer::of(&folder, "runs");
    let is = |state: &'static str| move |found: &Value| found["state"] == state;
    let (one, list) = ("/api/runs/run", "/api/runs");
    assert_eq!(viewer.json(one)["state"], "complete");
    assert_eq!(all.json(list)["runs"][0]["state"], "complete");

    let away = folder.path().join("away");
    fs::rename(&run, &away).unwrap();
    let gone = viewer.wait(one, is("unreadable"));
    let message = gone["message"].as_str().unwrap();
    assert!(message.contains("there is no such folder"), "{message}");
    assert_eq!(viewer.json("/api/runs/run/robot")["state"], "none");
    assert_eq!(viewer.get("/").status, 200);
    all.wait(list, |list| list["runs"] == Value::Array(Vec::new()));
    assert_eq!(all.get(one).status, 404);
    fs::rename(&away, &run).unwrap();
    viewer.wait(one, is("complete"));
    all.wait(list, |list| list["runs"][0]["state"] == "complete");

    for (name, content) in [
        ("config.toml", &b"task = "[..]),
        ("config.toml", b"\xff\xfe\0"),
        ("metrics.jsonl", b"{}\n{}\n"),
        ("metrics.jsonl", b"\0\0\0\0\n\0\n"),
        ("eval.csv", b"<script>alert(1)</script>\n1\n"),
        ("machine.toml", b"session = 3"),
    ] {
        let file = run.join(name);
        let good = fs::read(&file).unwrap();
        fs::write(&file, content).unwrap();
        let found = viewer.wait(one, is("unreadable"));
        let message = found["message"].as_str().unwrap();
        assert!(
            message.contains(name) && !message.contains('\n'),
            "{message}"
        );
        all.wait(list, |list| list["runs"][0]["state"] == "unreadable");
        fs::write(&file, good).unwrap();
        viewer.wait(one, is("complete"));
    }
    // A training that is not complete, that fails, and that is resumed.
    let settings = fs::read_to_string(run.join("config.toml")).unwrap();
    let more = settings.replace("\nsteps = 1280\n", "\nsteps = 2560\n");
    assert_ne!(more, settings);
    fs::write(run.join("config.toml"), more).unwrap();
    viewer.wait(one, is("training"));
    fs::create_dir(run.join("failure")).unwrap();
    fs::write(run.join("failure/failure.json"), "{}").unwrap();
    viewer.wait(one, is("failed"));
    all.wait(list, |list| list["runs"][0]["state"] == "failed");
    let metrics = fs::read(run.join("metrics.jsonl")).unwrap();
    // Times of files may have whole seconds.
    std::thread::sleep(Duration::from_millis(1100));
    fs::write(run.join("metrics.jsonl"), metrics).unwrap();
    viewer.wait(one, is("training"));
    // Without checkpoints, and with files that are none.
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    viewer.wait(one, |found| found["checkpoint"].is_null());
    fs::write(run.join("checkpoints"), "").unwrap();
    assert_eq!(viewer.json("/api/runs/run/robot")["state"], "none");
    fs::remove_dir_all(&run).unwrap();
    viewer.wait(one, is("unreadable"));
    assert_eq!(viewer.end("-TERM"), Some(0));
    assert_eq!(all.end("-INT"), Some(0));
}

/// Two viewers of a training, and the same training alone: the same bytes, and no file more.
#[test]
fn viewers_do_not_disturb_a_training() {
    let folder = TempDir::new().unwrap();
    succeeds(&folder, &quick("alone", &[]));
    // In the fifth of ten iterations.
    let held = Held::at(
        &folder,
        &quick("seen", &[]),
        ("write", "/metrics.jsonl", 5),
        1,
    );
    let viewers = ["runs/seen", "runs"].map(|path| Viewer::of(&folder, path));
    for viewer in &viewers {
        let run = viewer.json("/api/runs/seen");
        assert_eq!(
            (&run["state"], &run["iterations"]),
            (&"training".into(), &4.into())
        );
        viewer.json("/api/runs/seen/robot");
    }
    assert_eq!(
        viewers[1].json("/api/runs")["runs"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    held.release();
    let end = std::thread::scope(|scope| {
        for viewer in &viewers {
            scope.spawn(|| {
                viewer.wait("/api/runs/seen", |run| {
                    viewer.json("/api/runs");
                    viewer.json("/api/runs/seen/robot");
                    run["state"] == "complete"
                })
            });
        }
        held.end()
    });
    assert!(end.status.success(), "{}", stderr(&end));
    for viewer in viewers {
        assert_eq!(viewer.end("-TERM"), Some(0));
    }
    let [alone, seen] = ["alone", "seen"].map(|run| record(&folder.path().join("runs").join(run)));
    assert_same(&alone, &seen);
    let names = |run: &str| {
        let entries = fs::read_dir(folder.path().join("runs").join(run)).unwrap();
        let entries = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries
            .map(|name| name.split(".tfevents").next().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("alone"), names("seen"));
}

#[test]
fn a_benchmark_folder_lists_the_runs_in_its_folders() {
    let folder = TempDir::new().unwrap();
    for (name, seed) in [("one", "0"), ("two", "1")] {
        succeeds(
            &folder,
            &tiny(name, &["--seed", seed, "--out", "suite/fpo"]),
        );
    }
    succeeds(&folder, &tiny("top", &["--out", "suite"]));
    let viewer = Viewer::of(&folder, "suite");
    let list = viewer.json("/api/runs");
    let names: Vec<&str> = list["runs"].as_array().unwrap().iter().map(name).collect();
    assert_eq!(names, ["fpo/one", "fpo/two", "top"]);
    assert_eq!(viewer.json("/api/runs/fpo%2Fone")["name"], "fpo/one");
    assert_eq!(viewer.get("/api/runs/fpo/one").status, 404);

    fn name(run: &Value) -> &str {
        run["name"].as_str().unwrap()
    }
}

#[test]
fn what_cannot_be_viewed_is_one_line() {
    let (folder, _) = folder_with_run();
    fs::create_dir(folder.path().join("empty")).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (args, part) in [
        (&["runs/run", "--port", &port][..], "the port is in use"),
        (&["runs/run", "--port", "70000"], "70000"),
        (&["runs/run", "--host", "example.org"], "example.org"),
        (&["runs/run", "--host", "203.0.113.1"], "203.0.113.1"),
        (&["nowhere"], "there is no such folder"),
        (&["empty"], "nor a folder of runs"),
        (&["runs/run/config.toml/x"], "there is no such folder"),
    ] {
        let output = fpo(&folder, &[&["view", "--no-open"], args].concat())
            .output()
            .unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
        assert!(
            text.contains(part) && text.lines().count() == 1,
            "{args:?}: {text}"
        );
        assert!(output.stdout.is_empty());
    }
    assert!(Path::new(PROGRAM).is_file());
}
