//! The runs that are shown, and films that lie in their folders.

use crate::report::name_of;
use fpo_run::run::{is_run, runs_in};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most runs of a folder that are listed.
const MOST_RUNS: usize = 500;
/// Most films of a run that are listed.
const MOST_FILMS: usize = 50;

/// What the user asked to see.
#[derive(Debug)]
pub(super) enum Library {
    /// A run, by its folder.
    Run(PathBuf),
    /// The runs in a folder, and those in its folders, such as a benchmark's.
    Folder(PathBuf),
}

/// A run that is there.
#[derive(Clone, Debug)]
pub(super) struct Shelf {
    /// Its name in addresses: its path in the folder of runs.
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

impl Library {
    /// What `folder` holds; none if that is no run.
    pub(super) fn at(folder: PathBuf) -> Option<Self> {
        if is_run(&folder) {
            return Some(Self::Run(folder));
        }
        let library = Self::Folder(folder);
        (!library.runs().is_empty()).then_some(library)
    }

    /// The runs that are there now, by name. A single run is always among them, even when its
    /// folder has vanished.
    pub(super) fn runs(&self) -> Vec<Shelf> {
        let folder = match self {
            Self::Run(folder) => {
                return vec![Shelf {
                    name: plain(&name_of(folder)),
                    folder: folder.clone(),
                }];
            }
            Self::Folder(folder) => folder,
        };
        let mut runs = runs_in(folder);
        for inner in fs::read_dir(folder).into_iter().flatten().flatten() {
            if runs.len() < MOST_RUNS {
                runs.extend(runs_in(&inner.path()));
            }
        }
        runs.sort();
        runs.truncate(MOST_RUNS);
        let name = |run: &Path| {
            let parts = run.strip_prefix(folder).unwrap_or(run).components();
            let parts = parts.map(|part| plain(&part.as_os_str().to_string_lossy()));
            parts.collect::<Vec<_>>().join("/")
        };
        // Different folders may read alike: the others get a number.
        let mut seen = BTreeMap::new();
        let shelf = |folder: PathBuf| {
            let name = name(&folder);
            let count: &mut u32 = seen.entry(name.clone()).or_default();
            *count += 1;
            Shelf {
                name: match *count {
                    1 => name,
                    n => format!("{name} ({n})"),
                },
                folder,
            }
        };
        runs.into_iter().map(shelf).collect()
    }

    /// The run with this name. Names are compared with those that are there: no text of a client
    /// becomes a path.
    pub(super) fn run(&self, name: &str) -> Option<Shelf> {
        self.runs().into_iter().find(|run| run.name == name)
    }

    /// The folder, for messages.
    pub(super) fn folder(&self) -> &Path {
        let (Self::Run(folder) | Self::Folder(folder)) = self;
        folder
    }
}

/// A name that can stand in an address and in one line: what cannot becomes the mark for it.
fn plain(name: &str) -> String {
    name.replace(char::is_control, "\u{fffd}")
}

/// A film in a run's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Film {
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) length: u64,
    pub(super) changed: Option<SystemTime>,
}

impl Shelf {
    /// The films in the folder, by name: regular files, not links, which may lead anywhere.
    pub(super) fn films(&self) -> Vec<Film> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let film = |entry: fs::DirEntry| {
            let path = entry.path();
            let about = path.symlink_metadata().ok()?;
            let name = entry.file_name().into_string().ok()?;
            (about.is_file() && kind(&name).is_some()).then_some(Film {
                name,
                length: about.len(),
                changed: about.modified().ok(),
                path,
            })
        };
        let mut films: Vec<Film> = entries.filter_map(film).collect();
        films.sort_by(|a, b| a.name.cmp(&b.name));
        films.truncate(MOST_FILMS);
        films
    }
}

/// The media type of a film by its name, if it is one.
pub(super) fn kind(name: &str) -> Option<&'static str> {
    match Path::new(name).extension()?.to_str()? {
        "mp4" => Some("video/mp4"),
        "gif" => Some("image/gif"),
        _ => None,
    }
}

impl Film {
    /// Opens it, and returns its length now.
    pub(super) fn open(&self) -> io::Result<(File, u64)> {
        let is_own = |about: &fs::Metadata| about.is_file() && !about.is_symlink();
        if !is_own(&self.path.symlink_metadata()?) {
            return Err(io::Error::other("it is not a regular file"));
        }
        let file = File::open(&self.path)?;
        let about = file.metadata()?;
        match is_own(&about) {
            true => Ok((file, about.len())),
            false => Err(io::Error::other("it is not a regular file")),
        }
    }
}
