//! `fpo play`.

use crate::args;
use crate::failure::{Done, Failure, causes};
use crate::output::{is_of_the_place, log, print, refuse_foreign};
use crate::policy::{Loaded, folder_of_results, load};
use crate::tasks::Tasks;
use crate::video::{Format, Video};
use crate::{format, interrupt};
use fpo_files::quoted;
use fpo_learn::evaluate::{Noise, play};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Films a policy.
pub(crate) fn run(args: &args::Play, tasks: &Tasks) -> Result<Done, Failure> {
    // First, since a policy of a large task takes a while to load.
    let stop = interrupt::stop_flag("stopping")?;
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| folder_of_results(&args.of.policy).join("video.mp4"));
    let kind = Format::from_path(&out).map_err(Failure::input)?;
    if args.out.is_none() {
        refuse_foreign(&out)?;
    }
    let loaded = load(&args.of, args.task.as_deref(), tasks)?;
    // GIFs are for web pages: half the frame rate gives half the size.
    let max_fps = if kind == Format::Gif { 25.0 } else { 60.0 };
    let take = Take {
        out: &out,
        width: args.width,
        height: args.height,
        max_fps,
        seconds: args.seconds,
        seed: args.seed,
        noise: args.noise.into(),
        camera: args.camera.as_deref(),
    };
    let mut begun = false;
    let filmed = film(&loaded, &take, |_, frames| {
        if !begun {
            begun = true;
            log(&format!(
                "filming {} ({}), {frames} frames",
                loaded.policy.task(),
                quoted(&loaded.source)
            ));
        }
        Ok(!stop.load(Ordering::Relaxed))
    })?;
    let Some(filmed) = filmed else {
        log("stopped; no film was written");
        return Ok(Done::Stopped);
    };
    print(&format!(
        "{}: {:.1} s at {:.0} frames a second; return of the whole episode{}: {}",
        quoted(&out),
        filmed.frames as f64 / filmed.fps,
        filmed.fps,
        if filmed.returns.len() > 1 { "s" } else { "" },
        filmed.returns_text()
    ));
    Ok(Done::Finished)
}

/// A film to be made.
pub(crate) struct Take<'a> {
    /// The file, whose extension selects the format.
    pub(crate) out: &'a Path,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Most frames per second; the film has them at whole steps of the task.
    pub(crate) max_fps: f64,
    pub(crate) seconds: f64,
    pub(crate) seed: u64,
    pub(crate) noise: Noise,
    pub(crate) camera: Option<&'a str>,
}

/// A film that was made.
pub(crate) struct Filmed {
    pub(crate) frames: u64,
    /// Frames per second.
    pub(crate) fps: f64,
    /// Returns of the episodes in it, each of the whole episode.
    pub(crate) returns: Vec<f64>,
}

impl Filmed {
    pub(crate) fn returns_text(&self) -> String {
        let texts = self.returns.iter().map(|&x| format::format_number(Some(x)));
        texts.collect::<Vec<_>>().join(", ")
    }
}

/// Films a policy. Calls `proceed(frames so far, frames in all)` before anything is written and
/// then at every step of the task; if that is false or an error, nothing is left of the film. None
/// if it was false.
pub(crate) fn film(
    loaded: &Loaded,
    take: &Take,
    mut proceed: impl FnMut(u64, u64) -> Result<bool, Failure>,
) -> Result<Option<Filmed>, Failure> {
    let kind = Format::from_path(take.out).map_err(Failure::input)?;
    let mut env = fpo_env::make(loaded.task.as_ref()).map_err(Failure::runtime)?;
    if let Some(camera) = take.camera {
        let number = camera_number(camera, &env.cameras(), loaded.policy.task())?;
        env.set_camera(number);
    }
    let step = env.spec().control_timestep;
    let most = kind.max_fps().min(take.max_fps);
    let stride = (1.0 / (step * most) - 1e-9).ceil().max(1.0);
    let fps = 1.0 / (step * stride);
    let frames = ((take.seconds * fps).round() as u64).max(1);

    // Render the first picture before creating the file, because it fails without EGL.
    env.render(take.width, take.height)
        .map_err(|error| match error.is_of_the_task() {
            true => Failure::input(error),
            false => Failure::runtime(error),
        })?;
    let mut video = Video::create(take.out, take.width, take.height, fps).map_err(|e| {
        match e.downcast_ref::<io::Error>() {
            Some(error) if !is_of_the_place(error) => Failure::runtime(causes(&e)),
            _ => Failure::input(causes(&e)),
        }
    })?;
    if !proceed(0, frames)? {
        return Ok(None);
    }
    let mut returns = Vec::new();
    for episode in 0.. {
        let (total, end) = play(
            &loaded.policy,
            env.as_mut(),
            take.seed,
            episode,
            take.noise,
            |env, _, at| {
                match proceed(video.frames(), frames) {
                    Ok(true) => {}
                    Ok(false) => return ControlFlow::Break(None),
                    Err(failure) => return ControlFlow::Break(Some(failure)),
                }
                // When the film is complete, finish the episode without frames, so that its return
                // covers all its steps.
                if u64::from(at) % stride as u64 != 0 || video.frames() >= frames {
                    return ControlFlow::Continue(());
                }
                let framed = env
                    .render(take.width, take.height)
                    .map_err(Failure::runtime)
                    .and_then(|picture| video.frame(&picture).map_err(Failure::from));
                match framed {
                    Err(failure) => ControlFlow::Break(Some(failure)),
                    Ok(()) => ControlFlow::Continue(()),
                }
            },
        )
        .map_err(|e| Failure::runtime(format!("{}: {e}", quoted(&loaded.source))))?;
        returns.push(total);
        match end {
            None => {}
            Some(None) => return Ok(None),
            Some(Some(failure)) => return Err(failure),
        }
        if video.frames() >= frames {
            break;
        }
    }
    video.finish()?;
    Ok(Some(Filmed {
        frames,
        fps,
        returns,
    }))
}

/// The number of the camera called `asked`, or of that number, among those of `task`.
fn camera_number(asked: &str, cameras: &[String], task: &str) -> Result<usize, Failure> {
    let named = cameras
        .iter()
        .position(|name| name == asked && !name.is_empty());
    // A name counts before a number.
    let number = named.or_else(|| asked.parse().ok().filter(|n| *n < cameras.len()));
    number.ok_or_else(|| {
        let list = cameras.iter().enumerate().map(|(i, name)| match &name[..] {
            "" => i.to_string(),
            name => format!("{i} ({})", name.escape_debug()),
        });
        let list = list.collect::<Vec<_>>().join(", ");
        Failure::input(match list.is_empty() {
            true => format!("`{task}` has one view and no camera; leave --camera out"),
            false => format!("`{task}` has no camera `{asked}`; its cameras are {list}"),
        })
    })
}
