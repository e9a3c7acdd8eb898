//! Encodes pictures as a film: MP4 (H.264) or GIF, by the file's extension.

mod gif;
mod mp4;
mod palette;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fpo_env::Picture;
use fpo_files::{quoted, sync};
use tempfile::TempPath;

use crate::output::{put, temporary_beside};

/// The film formats of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// H.264 in an MP4 container: small and sharp, plays everywhere.
    Mp4,
    /// A GIF that loops forever: larger, but displayed inside a README.
    Gif,
}

impl Format {
    /// The format of a path by its extension, `.mp4` or `.gif` in any case.
    ///
    /// # Errors
    /// For any other extension; the message names the valid ones.
    pub fn from_path(path: &Path) -> Result<Self> {
        let ending = path
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase());
        match ending.as_deref() {
            Some("mp4") => Ok(Self::Mp4),
            Some("gif") => Ok(Self::Gif),
            _ => bail!("{} is neither a .mp4 nor a .gif file", quoted(path)),
        }
    }

    /// The maximum frame rate of this format. Players slow down a GIF whose frames are shorter than
    /// two hundredths of a second.
    pub fn max_fps(self) -> f64 {
        match self {
            Self::Mp4 => 240.0,
            Self::Gif => 50.0,
        }
    }
}

/// A film being written.
///
/// It is written under a temporary name beside its path, which [`Video::finish`] renames; a film
/// that fails or is dropped earlier leaves nothing behind, unless the process is killed.
pub struct Video {
    encoder: Encoder,
    path: PathBuf,
    /// Deleted when dropped.
    temporary: TempPath,
    width: u32,
    height: u32,
    frames: u64,
}

type Output = BufWriter<File>;

/// The two encoders behind one interface.
enum Encoder {
    Mp4(Box<mp4::Mp4>),
    Gif(Box<gif::Gif>),
}

impl Encoder {
    fn new(format: Format, output: Output, width: u32, height: u32, fps: f64) -> Result<Self> {
        Ok(match format {
            Format::Mp4 => Self::Mp4(Box::new(mp4::Mp4::new(output, width, height, fps)?)),
            Format::Gif => Self::Gif(Box::new(gif::Gif::new(output, width, height, fps)?)),
        })
    }

    fn frame(&mut self, rgb: &[u8]) -> Result<()> {
        match self {
            Self::Mp4(mp4) => mp4.frame(rgb),
            Self::Gif(gif) => gif.frame(rgb),
        }
    }

    fn finish(self) -> Result<Output> {
        match self {
            Self::Mp4(mp4) => mp4.finish(),
            Self::Gif(gif) => gif.finish(),
        }
    }
}

impl Video {
    /// Starts a film at `path`, whose extension selects the format. `width` and `height` are in
    /// pixels, `fps` in frames per second. An existing file stays until [`Video::finish`] replaces
    /// it.
    ///
    /// # Errors
    /// If the extension is unknown, the format does not support the size or the frame rate (an MP4
    /// needs even sizes, at most 3840×2160; see [`Format::max_fps`]), or the file cannot be
    /// created.
    pub fn create(path: impl AsRef<Path>, width: u32, height: u32, fps: f64) -> Result<Self> {
        let path = path.as_ref();
        let format = Format::from_path(path)?;
        if !(fps > 0.0 && fps <= format.max_fps()) {
            bail!(
                "{} can show more than 0 and at most {} frames a second, not {fps}",
                quoted(path),
                format.max_fps()
            );
        }
        let (file, temporary) =
            temporary_beside(path, ".film-").with_context(|| cannot_write(path))?;
        let output = BufWriter::new(file);
        let encoder =
            Encoder::new(format, output, width, height, fps).with_context(|| cannot_write(path))?;
        Ok(Self {
            encoder,
            path: path.to_owned(),
            temporary,
            width,
            height,
            frames: 0,
        })
    }

    /// Appends one picture.
    ///
    /// # Errors
    /// If its size is not the film's, it cannot be encoded, or the disk is full.
    pub fn frame(&mut self, picture: &Picture) -> Result<()> {
        let (width, height) = (self.width, self.height);
        if (picture.width, picture.height) != (width, height)
            || picture.rgb.len() != 3 * width as usize * height as usize
        {
            bail!(
                "a frame of {}×{} does not fit a film of {width}×{height}",
                picture.width,
                picture.height
            );
        }
        self.encoder
            .frame(&picture.rgb)
            .with_context(|| cannot_write(&self.path))?;
        self.frames += 1;
        Ok(())
    }

    /// Frames appended so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Completes the film and moves it to its path.
    ///
    /// # Errors
    /// If it has no frame, or the disk is full.
    pub fn finish(self) -> Result<()> {
        let Self {
            encoder,
            path,
            temporary,
            frames,
            ..
        } = self;
        if frames == 0 {
            bail!("{} would be a film without a frame", quoted(&path));
        }
        let save = || -> Result<()> {
            let file = encoder
                .finish()?
                .into_inner()
                .map_err(|error| error.into_error())?;
            sync(&file)?;
            drop(file);
            Ok(put(temporary, &path)?)
        };
        save().with_context(|| cannot_write(&path))
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", quoted(path))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::failure::causes;

    /// `/dev/full` simulates a full disk: it opens, but nothing can be written.
    #[test]
    fn a_full_disk_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        for (name, format) in [("a.mp4", Format::Mp4), ("a.gif", Format::Gif)] {
            let (file, temporary) = temporary_beside(&folder.path().join(name), ".film-").unwrap();
            drop(file);
            let full = File::options().write(true).open("/dev/full").unwrap();
            let output = BufWriter::new(full);
            let path = folder.path().join(name);
            let encoder = Encoder::new(format, output, 256, 256, 25.0).unwrap();
            let mut video = Video {
                encoder,
                path,
                temporary,
                width: 256,
                height: 256,
                frames: 0,
            };
            let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
            let picture = Picture {
                width: 256,
                height: 256,
                rgb: (0..3 * 256 * 256).map(noise).collect(),
            };
            let error = video
                .frame(&picture)
                .and_then(|()| video.finish())
                .unwrap_err();
            let line = causes(&error);
            assert!(line.contains(name), "{line}");
            assert_eq!(line.matches("No space left on device").count(), 1, "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
