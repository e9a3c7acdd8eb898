//! `fpo view`: shows a run, or a folder of runs, in the browser, also while it trains.
//!
//! The server reads the run's folder and never writes there. It has a fixed set of addresses
//! ([`route`]); no text of a client becomes a path. It is for a few pages of one user, so a thread
//! answers one request and closes the connection, and the rest is bounds. That is why HTTP's heads
//! are parsed by `httparse`, hyper's parser, which is kept and has no dependency, and no crate of
//! servers is used: the small synchronous ones (`tiny_http`, and `rouille` on it) have had no
//! release for years and bound neither times nor connections, and `hyper` and `axum` need an
//! asynchronous runtime.

mod assets;
mod http;
mod library;
mod snapshot;
mod studio;

use crate::args;
use crate::failure::Failure;
use crate::interrupt;
use crate::output::{log, print};
use crate::report::unreadable;
use crate::tasks::Tasks;
use fpo_files::quoted;
use fpo_report::record::Record;
use fpo_run::run::{RunError, not_a_run, run_of};
use http::{Body, Policy, Refusal, Request, Response};
use library::{Library, kind};
use serde_json::Value as Json;
use snapshot::{Snapshot, Snapshots, newest_checkpoint};
use std::borrow::Cow;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use studio::Studio;

/// The ports that are tried when the user names none.
const PORTS: std::ops::RangeInclusive<u16> = 8420..=8439;
/// Most connections at a time; a browser opens six.
const MOST_CONNECTIONS: usize = 64;

/// Serves until Ctrl-C or SIGTERM.
pub(crate) fn run(args: &args::View, tasks: &Tasks) -> Result<(), Failure> {
    let folder = run_of(&args.run);
    let library = match Library::at(folder.clone()) {
        Some(library) => library,
        // The same words as for a report.
        None => {
            return Err(match Record::read(&folder) {
                Err(error) => unreadable(error),
                Ok(_) => {
                    let reason = not_a_run(&folder).unwrap_or("it changes just now".to_owned());
                    RunError::NotARun { folder, reason }.into()
                }
            });
        }
    };
    // Only films, which have no place in the run's folder.
    let films = tempfile::tempdir()
        .map_err(|e| Failure::runtime(format!("cannot create a temporary folder: {e}")))?;
    let listener = listen(args.host, args.port)?;
    let address = listener
        .local_addr()
        .map_err(|e| Failure::runtime(format!("cannot listen: {e}")))?;
    let stop = interrupt::stop_flag("stopping")?;
    let url = url(address);
    print(&url);
    log(&format!("viewing {}; Ctrl-C ends it", quoted(&folder)));
    if !args.host.is_loopback() {
        log("warning: everybody who can reach this address can read what is in these runs");
    }
    if !args.no_open && has_display() {
        // A desktop without a browser is no reason to stop; the address has been printed.
        if let Err(error) = open::that_detached(&url) {
            log(&format!("note: cannot open a browser: {error}"));
        }
    }
    let server = Arc::new(Server {
        library,
        public: !args.host.is_loopback(),
        snapshots: Snapshots::default(),
        studio: Studio::default(),
        connections: AtomicUsize::new(0),
        closed: AtomicBool::new(false),
    });
    let accepting = Arc::clone(&server);
    let accept = std::thread::Builder::new().name("accept".to_owned());
    let accept = accept
        .spawn(move || accepting.accept(&listener))
        .map_err(|e| Failure::runtime(format!("cannot start a thread: {e}")))?;
    std::thread::scope(|scope| {
        scope.spawn(|| server.studio.work(films.path(), tasks));
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        server.studio.close();
    });
    server.closed.store(true, Ordering::Relaxed);
    // A last connection wakes the thread that waits for one.
    let here = SocketAddr::new(
        match args.host {
            ip if ip.is_unspecified() && ip.is_ipv4() => IpAddr::from([127, 0, 0, 1]),
            ip if ip.is_unspecified() => IpAddr::from(std::net::Ipv6Addr::LOCALHOST),
            ip => ip,
        },
        address.port(),
    );
    if TcpStream::connect_timeout(&here, Duration::from_secs(1)).is_ok() {
        let _ = accept.join();
    }
    Ok(())
}

/// Listens at `port`, or at the first free one of [`PORTS`].
fn listen(host: IpAddr, port: Option<u16>) -> Result<TcpListener, Failure> {
    let cannot = |port, error: io::Error| {
        let at = SocketAddr::new(host, port);
        Failure::input(match error.kind() {
            ErrorKind::AddrInUse => {
                format!("cannot listen at {at}: the port is in use; choose another with --port")
            }
            _ => format!("cannot listen at {at}: {error}"),
        })
    };
    if let Some(port) = port {
        return TcpListener::bind((host, port)).map_err(|error| cannot(port, error));
    }
    for port in PORTS {
        match TcpListener::bind((host, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(cannot(port, error)),
        }
    }
    TcpListener::bind((host, 0)).map_err(|error| cannot(0, error))
}

/// The address for a browser on this machine.
fn url(address: SocketAddr) -> String {
    match address.ip() {
        ip if ip.is_unspecified() => format!("http://localhost:{}/", address.port()),
        _ => format!("http://{address}/"),
    }
}

/// Whether there is a screen to open a browser on; without one, a browser for terminals might be
/// found, which would take this one.
fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", windows)) || set("DISPLAY") || set("WAYLAND_DISPLAY")
}

/// All that requests are answered from.
#[derive(Debug)]
struct Server {
    library: Library,
    /// Whether it listens at more than a loopback address.
    public: bool,
    snapshots: Snapshots,
    studio: Studio,
    connections: AtomicUsize,
    closed: AtomicBool,
}

/// A connection that counts while it is open.
struct Connection(Arc<Server>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    /// Accepts connections until the server is closed.
    fn accept(self: Arc<Self>, listener: &TcpListener) {
        loop {
            let accepted = listener.accept();
            if self.closed.load(Ordering::Relaxed) {
                return;
            }
            let Ok((stream, _)) = accepted else {
                // No file descriptor is left, for example: wait until some are.
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            let open = self.connections.fetch_add(1, Ordering::Relaxed);
            let connection = Connection(Arc::clone(&self));
            if open >= MOST_CONNECTIONS {
                // It is closed at once, whatever it was to ask.
                drop((stream, connection));
                continue;
            }
            let answer = move || {
                // A client that is gone gets no answer.
                let _ = connection.0.answer(&stream);
            };
            let thread = std::thread::Builder::new().name("answer".to_owned());
            // Without a thread, the connection is closed.
            drop(thread.spawn(answer));
        }
    }

    /// Answers the request of a connection.
    fn answer(&self, stream: &TcpStream) -> io::Result<()> {
        match http::read(stream, self.public) {
            Ok(None) => Ok(()),
            Ok(Some(request)) => {
                let response = self.respond(&request);
                let response = response.unwrap_or_else(Response::refusal);
                response.send(stream, Some(&request))
            }
            Err(refusal) => Response::refusal(refusal).send(stream, None),
        }
    }

    fn respond(&self, request: &Request) -> Result<Response, Refusal> {
        const NOTHING: Refusal = (404, "there is nothing at this address");
        const ELSEWHERE: Refusal = (
            404,
            "this page is not part of the program: site/build makes the whole site (docs/site.md)",
        );
        const NO_RUN: Refusal = (404, "there is no such run");
        const NO_FILM: Refusal = (404, "there is no such film");
        let nothing = match request.path.first().map(String::as_str) {
            Some("robots.html" | "docs") => ELSEWHERE,
            _ => NOTHING,
        };
        match route(&request.path).ok_or(nothing)? {
            Route::Asset(asset) => {
                let body = Body::Bytes(Cow::Borrowed(asset.bytes));
                Ok(Response {
                    tag: Some(asset.tag()),
                    ..Response::new(asset.kind(), asset.policy(), body)
                })
            }
            Route::Runs => Ok(json(self.snapshots.list(&self.library))),
            Route::Run(name) => {
                let run = self.library.run(name).ok_or(NO_RUN)?;
                Ok(json(self.snapshots.run(&run)))
            }
            Route::Robot(name) => {
                let run = self.library.run(name).ok_or(NO_RUN)?;
                let status = match newest_checkpoint(&run) {
                    Some(step) => self.studio.film_of(&run, step),
                    None => Json::from_iter([("state", "none")]),
                };
                let body = Body::Bytes(status.to_string().into_bytes().into());
                Ok(Response::new(JSON, Policy::Data, body))
            }
            Route::RobotFilm(name, step) => {
                let film = self.studio.film(name, step).ok_or(NO_FILM)?;
                Ok(Response {
                    parts: true,
                    ..Response::new("video/mp4", Policy::Data, Body::Shared(film))
                })
            }
            Route::Film(name, film) => {
                let run = self.library.run(name).ok_or(NO_RUN)?;
                let films = run.films();
                let film = films.iter().find(|there| there.name == film);
                let film = film.ok_or(NO_FILM)?;
                let (file, length) = film.open().map_err(|_| NO_FILM)?;
                let kind = kind(&film.name).ok_or(NO_FILM)?;
                Ok(Response {
                    parts: true,
                    ..Response::new(kind, Policy::Data, Body::File(file, length))
                })
            }
        }
    }
}

const JSON: &str = "application/json";

fn json(snapshot: Snapshot) -> Response {
    Response {
        tag: Some(snapshot.tag),
        ..Response::new(JSON, Policy::Data, Body::Shared(snapshot.json))
    }
}

/// What there is at an address.
enum Route<'a> {
    /// A file of the pages.
    Asset(&'static assets::Asset),
    /// `api/runs`: the list of runs.
    Runs,
    /// `api/runs/NAME`: all about a run.
    Run(&'a str),
    /// `api/runs/NAME/robot`: how far the film of its newest checkpoint is; begins to make it.
    Robot(&'a str),
    /// `api/runs/NAME/robot/STEP.mp4`: that film.
    RobotFilm(&'a str, u64),
    /// `api/runs/NAME/films/FILE`: a film in the run's folder.
    Film(&'a str, &'a str),
}

/// What the decoded segments of an address lead to; none for all others.
fn route(path: &[String]) -> Option<Route<'_>> {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    match parts[..] {
        ["api", "runs"] => Some(Route::Runs),
        ["api", "runs", name] => Some(Route::Run(name)),
        ["api", "runs", name, "robot"] => Some(Route::Robot(name)),
        ["api", "runs", name, "robot", file] => {
            let step = file.strip_suffix(".mp4")?.parse().ok()?;
            Some(Route::RobotFilm(name, step))
        }
        ["api", "runs", name, "films", file] => Some(Route::Film(name, file)),
        _ => assets::find(path).map(Route::Asset),
    }
}
