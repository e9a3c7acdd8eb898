//! `fpo play`.

use crate::args;
use crate::failure::{Done, Failure};
use crate::output::{log, print, refuse_foreign};
use crate::policy::{folder_of_results, load};
use crate::tasks::Tasks;
use crate::video::{Format, Video};
use crate::{format, interrupt};
use fpo_files::quoted;
use fpo_learn::evaluate::play;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

/// Films a policy.
pub(crate) fn run(args: &args::Play, tasks: &Tasks) -> Result<Done, Failure> {
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| folder_of_results(&args.of.policy).join("video.mp4"));
    let kind = Format::from_path(&out).map_err(Failure::input)?;
    if args.out.is_none() {
        refuse_foreign(&out)?;
    }
    let loaded = load(&args.of, args.task.as_deref(), tasks)?;
    let mut env = fpo_env::make(loaded.task.as_ref()).map_err(Failure::runtime)?;
    if let Some(camera) = &args.camera {
        let number = camera_number(camera, &env.cameras(), loaded.policy.task())?;
        env.set_camera(number);
    }
    let step = env.spec().control_timestep;
    // GIFs are for web pages: half the frame rate gives half the size.
    let most = kind
        .max_fps()
        .min(if kind == Format::Gif { 25.0 } else { 60.0 });
    let stride = (1.0 / (step * most) - 1e-9).ceil().max(1.0);
    let fps = 1.0 / (step * stride);
    let frames = ((args.seconds * fps).round() as u64).max(1);

    // Render the first picture before creating the file, because it fails without EGL.
    env.render(args.width, args.height)
        .map_err(|error| match error.is_of_the_task() {
            true => Failure::input(error),
            false => Failure::runtime(error),
        })?;
    let mut video = Video::create(&out, args.width, args.height, fps)
        .map_err(|e| Failure::input(format!("{e:#}")))?;
    let stop = interrupt::stop_flag("stopping")?;
    log(&format!(
        "filming {} ({}), {frames} frames",
        loaded.policy.task(),
        quoted(&loaded.source)
    ));
    let mut returns = Vec::new();
    for episode in 0.. {
        let (total, end) = play(
            &loaded.policy,
            env.as_mut(),
            args.seed,
            episode,
            args.noise.into(),
            |env, _, at| {
                if stop.load(Ordering::Relaxed) {
                    return ControlFlow::Break(None);
                }
                // When the film is complete, finish the episode without frames, so that its return
                // covers all its steps.
                if u64::from(at) % stride as u64 != 0 || video.frames() >= frames {
                    return ControlFlow::Continue(());
                }
                let framed = env
                    .render(args.width, args.height)
                    .map_err(Failure::runtime)
                    .and_then(|picture| video.frame(&picture).map_err(Failure::from));
                match framed {
                    Err(failure) => ControlFlow::Break(Some(failure)),
                    Ok(()) => ControlFlow::Continue(()),
                }
            },
        )
        .map_err(|e| Failure::runtime(format!("{}: {e}", quoted(&loaded.source))))?;
        returns.push(format::format_number(Some(total)));
        match end {
            None => {}
            Some(None) => {
                log("stopped; no film was written");
                return Ok(Done::Stopped);
            }
            Some(Some(failure)) => return Err(failure),
        }
        if video.frames() >= frames {
            break;
        }
    }
    video.finish()?;
    print(&format!(
        "{}: {:.1} s at {fps:.0} frames a second; return of the whole episode{}: {}",
        quoted(&out),
        frames as f64 / fps,
        if returns.len() > 1 { "s" } else { "" },
        returns.join(", ")
    ));
    Ok(Done::Finished)
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
