//! `fpo train`.

use crate::args;
use crate::display::Display;
use crate::failure::{Done, Failure};
use crate::format::count;
use crate::output::{log, print};
use crate::policy::{begun_again, missing_records, unlocked};
use crate::ranks::Ranks;
use crate::tasks::Tasks;
use crate::{interrupt, machine, summary};
use fpo_env::Task;
use fpo_files::quoted;
use fpo_learn::trainer::TrainError;
use fpo_run::checkpoint::Checkpoints;
use fpo_run::config::{self, Config, LearningPrecision};
use fpo_run::run::{
    Outcome, Resources, Resuming, RunError, RunFolder, Session, another, check_start, ended,
    is_checkpoint, run_of,
};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// The default folder of run folders.
const RUNS: &str = "runs";

/// Trains a policy, or resumes a training.
pub(crate) fn run(args: &args::Train, tasks: &Tasks) -> Result<Done, Failure> {
    if args.help_config {
        contradictions(args)?;
        return help_config(args, tasks).map(|()| Done::Finished);
    }
    let timeout = Duration::from_secs_f64(args.rank_timeout);
    let ranks = Ranks::join(args.independent, timeout)?;
    let resources = Resources {
        threads: ranks.threads(args.threads),
        reduce: ranks.reduce(),
    };
    let done = match ranks.is_first() {
        true => lead(args, tasks, resources),
        false => follow(args, tasks, resources),
    };
    done.map_err(|failure| ranks.fail(failure))
}

/// Trains as another rank than the first: it has no folder, and prints nothing.
fn follow(args: &args::Train, tasks: &Tasks, resources: Resources) -> Result<Done, Failure> {
    let stop = interrupt::stop_flag("")?;
    fpo_run::run::follow(resources, &stop, |folder, name| match &args.task {
        Some(task) => tasks.find(task),
        None => tasks.of_run(folder, name),
    })?;
    Ok(Done::Finished)
}

/// Trains alone, or as the first rank.
fn lead(args: &args::Train, tasks: &Tasks, resources: Resources) -> Result<Done, Failure> {
    contradictions(args)?;
    // Early, so that a run stopped during startup saves its beginning.
    let stop =
        interrupt::stop_flag("finishing the iteration, then saving (Ctrl-C again quits at once)")?;
    let session = match &args.resume {
        Some(folder) => Some(resume(args, tasks, folder.as_deref(), resources.clone())?),
        None if args.resume_or_start => resume_or_start(args, tasks, resources.clone())?,
        None => Some(begin(args, tasks, resources.clone())?),
    };
    let done = match session {
        None => Done::Finished,
        Some(session) => train(session, tasks, &resources, &stop)?,
    };
    let dismissed = fpo_run::run::dismiss(resources.reduce.as_ref());
    dismissed.map_err(|error| RunError::from(TrainError::from(error)))?;
    Ok(done)
}

/// Trains to the end of a run that begins or goes on.
fn train(
    mut session: Session,
    tasks: &Tasks,
    resources: &Resources,
    stop: &AtomicBool,
) -> Result<Done, Failure> {
    if let Some(warning) = unlocked(session.folder()) {
        log(&warning);
    }
    machine::record(&session, resources.threads)?;
    let config = session.config();
    let folder = quoted(session.folder().path());
    log(&format!(
        "training {} ({}, seed {}) in {folder}{}",
        config.task,
        config::label(config),
        config.seed,
        match resources.reduce.ranks() {
            1 => String::new(),
            ranks => format!(", on {ranks} ranks"),
        }
    ));
    notes(&session).iter().for_each(|note| log(note));
    let mut display = Display::new(session.trainer());
    let outcome = session.run(stop, &mut display);
    display.finish();
    match outcome {
        Ok(Outcome::Finished) => {
            summary::finished(&session, &display, tasks.program());
            Ok(Done::Finished)
        }
        Ok(Outcome::Stopped) => {
            summary::stopped(&session, tasks.program());
            Ok(Done::Stopped)
        }
        Err(error) => {
            let ranks = resources.reduce.ranks();
            Err(failed(error, &session, tasks.program(), ranks))
        }
    }
}

/// Refuses a flag and a `--set` that give the same setting two values.
fn contradictions(args: &args::Train) -> Result<(), Failure> {
    let precision = args.precision.map(args::PrecisionArg::word);
    let short_for = [
        ("--seed", "seed", args.seed.map(|seed| seed.to_string())),
        (
            "--precision",
            "train.precision",
            precision.map(str::to_owned),
        ),
        (
            "--init-from",
            "init.from",
            init_from(args)?.map(str::to_owned),
        ),
    ];
    for (flag, key, value) in short_for {
        let Some(value) = value else { continue };
        let sets = args.sets.iter().filter_map(|set| set.split_once('='));
        let mut others = sets.filter(|(other, _)| other.trim() == key);
        let differs = |text: &str| text.trim().trim_matches(['"', '\'']) != value;
        if let Some((_, other)) = others.find(|(_, text)| differs(text)) {
            return Err(Failure::input(format!(
                "{flag} {} is short for --set {key}={}, and there is also --set {key}={}: leave \
                 out one of the two",
                quoted(Path::new(&value)),
                value,
                other.trim()
            )));
        }
    }
    Ok(())
}

/// The path of `--init-from`, as a setting.
fn init_from(args: &args::Train) -> Result<Option<&str>, Failure> {
    let Some(path) = &args.init_from else {
        return Ok(None);
    };
    match path.to_str() {
        Some(text) => Ok(Some(text)),
        None => Err(Failure::input(format!(
            "--init-from {}: config.toml records the path, so it must be UTF-8 text; give it \
             another name, or a link with one",
            quoted(path)
        ))),
    }
}

/// A new run.
fn begin(args: &args::Train, tasks: &Tasks, resources: Resources) -> Result<Session, Failure> {
    let (task, config) = asked(args, tasks)?;
    begin_in(place(args), task, config, resources)
}

/// Where a new run's folder is to be, by the arguments.
fn place(args: &args::Train) -> Place<'_> {
    Place {
        out: args.out.as_deref(),
        name: args.name.as_deref(),
        force: args.force,
    }
}

/// Where a new run's folder is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The folder in which run folders are created; `runs` by default.
    pub out: Option<&'a Path>,
    /// The name of the run's folder; TASK-PRESET-seedN by default.
    pub name: Option<&'a Path>,
    /// Replaces a run that is already there.
    pub force: bool,
}

impl Place<'_> {
    /// The folder of a new run with these settings.
    fn folder(self, config: &Config) -> Result<PathBuf, Failure> {
        let out = self.out.unwrap_or(Path::new(RUNS));
        Ok(out.join(match self.name {
            Some(name) => one_folder(name)?,
            None => default_name(config),
        }))
    }
}

/// Begins a new run of `task`, of which `config` has the settings, on so many threads.
///
/// # Errors
/// If the place is taken or unusable, this machine lacks the precision of the settings, or the run
/// cannot be created.
pub fn begin_in(
    place: Place,
    task: Arc<dyn Task>,
    config: Config,
    resources: impl Into<Resources>,
) -> Result<Session, Failure> {
    let folder = place.folder(&config)?;
    // Before the folder is created.
    config
        .check_machine()
        .map_err(|e| RunError::from(TrainError::from(e)))?;
    let adapted = config.env.adaptation().apply(Arc::clone(&task));
    adapted.map_err(Failure::input)?;
    check_start(&config, task.as_ref())?;
    let folder = RunFolder::create(&folder, place.force)?;
    Ok(Session::begin(folder, config, task, resources)?)
}

/// A new run, or the existing one of the same folder; none if that one is complete.
fn resume_or_start(
    args: &args::Train,
    tasks: &Tasks,
    resources: Resources,
) -> Result<Option<Session>, Failure> {
    let (task, mut config) = asked(args, tasks)?;
    let folder = place(args).folder(&config)?;
    // Files of a run without its settings are no run to continue; that is an error of beginning.
    if !(RunFolder::holds_a_run(&folder) && folder.join("config.toml").is_file()) {
        let begun = begin_in(place(args), task, config, resources)?;
        return Ok(Some(begun));
    }
    let locked = match RunFolder::open(&folder) {
        Err(error) if !error.is_unwritable() => return Err(error.into()),
        locked => locked,
    };
    let recorded = config::load_recorded(&folder.join("config.toml"), &[])?;
    if config.train.precision == LearningPrecision::Auto {
        // Machine-dependent choices were resolved when the run started.
        config.train.precision = recorded.train.precision;
    }
    if config.init.digest.is_empty() {
        config.init.digest.clone_from(&recorded.init.digest);
    }
    let changes = config::differences(&config, &recorded)?;
    let resumed = match locked {
        Ok(locked) => {
            machine::check(locked.path())?;
            Session::resume(locked, config, task, resources)
        }
        // Nothing can be written there, and nothing needs to be if the run is complete.
        Err(unwritable) => Err(match ended(&folder, &config, task.as_ref()) {
            Err(end @ (RunError::Complete { .. } | RunError::Reached { .. })) => end,
            _ => unwritable,
        }),
    };
    match resumed {
        Err(RunError::Complete { steps, .. }) => {
            print(&format!(
                "{} is complete ({} environment steps); there is nothing to do",
                quoted(&folder),
                count(steps)
            ));
            Ok(None)
        }
        Err(RunError::Reached { reached, steps, .. }) => {
            print(&format!(
                "{} has reached a return of {reached:.2} ({} environment steps); there is nothing \
                 to do",
                quoted(&folder),
                count(steps)
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
        Ok(session) => {
            for config::Difference { key, value, other } in changes {
                log(&format!(
                    "note: `{key}` is {value} from now on, and was {other}"
                ));
            }
            Ok(Some(session))
        }
    }
}

/// The task of a new run and its settings.
fn asked(args: &args::Train, tasks: &Tasks) -> Result<(Arc<dyn Task>, Config), Failure> {
    let task = args.task.as_deref();
    let task = task.ok_or_else(|| {
        Failure::input(format!(
            "name a task (`{} tasks` lists them)",
            tasks.program()
        ))
    })?;
    let task = tasks.find(task)?;
    let (config, note) = resolve(args, &task.spec().name)?;
    if let Some(note) = note {
        log(&format!("note: {note}"));
    }
    Ok((task, config))
}

/// An existing run.
fn resume(
    args: &args::Train,
    tasks: &Tasks,
    folder: Option<&Path>,
    resources: Resources,
) -> Result<Session, Failure> {
    let folder = match (folder, &args.task) {
        (Some(folder), _) => {
            for (flag, given) in [
                ("--name", args.name.is_some()),
                ("--out", args.out.is_some()),
            ] {
                if given {
                    return Err(Failure::input(format!(
                        "{flag} cannot be used with --resume {}, which already names the run's \
                         folder",
                        quoted(folder)
                    )));
                }
            }
            run_to_resume(folder, tasks.program())?
        }
        (None, Some(task)) => {
            let task = tasks.find(task)?;
            match &args.name {
                Some(name) => out(args).join(one_folder(name)?),
                None => out(args).join(default_name(&resolve(args, &task.spec().name)?.0)),
            }
        }
        (None, None) => {
            return Err(Failure::input(format!(
                "name the folder to resume: {} train --resume DIR",
                tasks.program()
            )));
        }
    };
    // A preset and a seed from which the folder's name was derived are used.
    let found_by_them = args.name.is_none() && !matches!(args.resume, Some(Some(_)));
    for (flag, given) in [
        ("--preset", args.preset.is_some() && !found_by_them),
        ("--seed", args.seed.is_some() && !found_by_them),
        ("--config", args.config.is_some()),
    ] {
        if given {
            return Err(Failure::input(format!(
                "{flag} belongs to a new run; {} has its own",
                quoted(&folder)
            )));
        }
    }
    let run = Resuming::open(&folder, &sets(args))?;
    machine::check(run.path())?;
    let asked = args.task.as_deref().map(|name| tasks.find(name));
    run.resume(
        asked.transpose()?,
        |folder, task| tasks.of_run(folder, task),
        resources,
    )
}

/// The folder of the run that `path` leads to: it, its checkpoints, or the newest of them. A run
/// continues from its newest checkpoint; another would lose what came after it.
fn run_to_resume(path: &Path, program: &str) -> Result<PathBuf, Failure> {
    let run = run_of(path);
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let step = |path: &Path| {
        let folder = path
            .ancestors()
            .take(2)
            .find(|folder| is_checkpoint(folder))?;
        Checkpoints::step(folder)
    };
    let Some(asked) = step(path).or_else(|| step(&full)) else {
        return Ok(run);
    };
    let all = Checkpoints::list(&run.join("checkpoints")).map_err(Failure::input)?;
    let newest = all.last().and_then(|path| Checkpoints::step(path));
    match newest {
        Some(newest) if newest != asked => Err(Failure::input(format!(
            "{} is not the newest checkpoint of its run, from which a run continues; \
             `{program} train --resume {}` continues from {} steps",
            quoted(path),
            quoted(&run),
            count(newest)
        ))),
        _ => Ok(run),
    }
}

fn resolve(args: &args::Train, task: &str) -> Result<(Config, Option<String>), Failure> {
    let (mut config, note) = config::resolve_with_note(
        task,
        args.preset.as_deref(),
        args.config.as_deref(),
        &sets(args),
        args.seed,
    )?;
    if let Some(from) = init_from(args)?.filter(|from| *from != config.init.from) {
        config.init.from = from.to_owned();
        // The digest of a file of settings is that of what it names, unlike one that was set.
        let set = |set: &String| set.trim_start().starts_with("init.digest");
        if !args.sets.iter().any(set) {
            config.init.digest.clear();
        }
    }
    Ok((config, note))
}

/// The settings of `--precision` and `--set`.
fn sets(args: &args::Train) -> Vec<String> {
    let precision = args
        .precision
        .map(|precision| format!("train.precision={}", precision.word()));
    precision
        .into_iter()
        .chain(args.sets.iter().cloned())
        .collect()
}

/// The folder in which run folders are created.
fn out(args: &args::Train) -> &Path {
    args.out.as_deref().unwrap_or(Path::new(RUNS))
}

/// The default folder of a run.
fn default_name(config: &Config) -> PathBuf {
    let label = config::label(config);
    format!("{}-{label}-seed{}", config.task, config.seed).into()
}

/// `name`, if it is the name of a single folder.
fn one_folder(name: &Path) -> Result<PathBuf, Failure> {
    let plain = matches!(
        name.components().collect::<Vec<_>>()[..],
        [Component::Normal(_)]
    );
    if plain {
        Ok(name.to_owned())
    } else {
        Err(Failure::input(
            "--name is the name of one folder; use --out for the folder that contains it",
        ))
    }
}

fn help_config(args: &args::Train, tasks: &Tasks) -> Result<(), Failure> {
    let task = match args.task.as_deref() {
        None => String::new(),
        Some(task) => tasks.find(task)?.spec().name.clone(),
    };
    let (config, _) = resolve(args, &task)?;
    print(&format!(
        "# Every setting, with the values of the preset `{}`.",
        config.preset
    ));
    print("# Change one with --set section.key=value, or several in a file for --config.\n");
    print(config::documented(&config).trim_end());
    Ok(())
}

/// What is to be known about how a run begins or goes on, a line each.
pub fn notes(session: &Session) -> Vec<String> {
    let notes = [
        begun_again(session),
        session.taken().map(ToString::to_string),
        learning_rate_change(session),
        restarted_episodes(session.restarted_episodes()),
    ];
    let missing = missing_records(session).into_iter();
    notes.into_iter().flatten().chain(missing).collect()
}

/// A note on how another length of the run changes the learning rate, if it does.
fn learning_rate_change(session: &Session) -> Option<String> {
    let steps = session.config().train.steps;
    let planned = session
        .planned_steps()
        .filter(|planned| *planned != steps)?;
    let [before, now] = [planned, steps].map(|steps| 100.0 * session.learning_rate_fraction(steps));
    (before != now).then(|| {
        format!(
            "note: the learning rate now decreases over {} steps: it continues at \
            {now:.0}% of its initial value, \
             not {before:.0}%",
            count(steps)
        )
    })
}

/// A note that `environments` environments could not restore their state, if there are any.
fn restarted_episodes(environments: usize) -> Option<String> {
    match environments {
        0 => None,
        1 => Some("note: 1 environment cannot save its state: it begins a new episode".into()),
        n => Some(format!(
            "note: {} environments cannot save their state: they begin new episodes",
            count(n as u64)
        )),
    }
}

/// `error`, and from where the run can be resumed, or how to begin another.
fn failed(error: RunError, session: &Session, program: &str, ranks: usize) -> Failure {
    let folder = session.folder().path();
    let diverged = matches!(&error, RunError::Train(error) if error.is_divergence());
    let hint = match session.last_saved() {
        // A collapsed run has already been rolled back to it.
        Some(_) if matches!(error, RunError::Collapsed { .. }) => String::new(),
        // There is nothing of the run at its path any longer.
        Some(_) if matches!(error, RunError::Moved { .. }) => String::new(),
        Some(checkpoint) => format!("; the last good checkpoint is {}", quoted(checkpoint)),
        None if diverged => format!(
            "; there is no checkpoint yet, and `{}` begins another run with other settings",
            another(program, folder, &session.config().task)
        ),
        None => String::new(),
    };
    let at = match &error {
        RunError::Train(TrainError::Acting(fault)) if ranks > 1 => {
            let rank = session.trainer().rank_of(fault.env as usize);
            format!(" (rank {rank} steps environment {})", fault.env)
        }
        _ => String::new(),
    };
    // What the task knows about a number that was not finite.
    let fault = session.trainer().task().fault();
    let fault = fault.map_or(String::new(), |fault| format!("{fault}: "));
    match Failure::from(error) {
        Failure::Input(message) => Failure::Input(fault + &message + &at + &hint),
        Failure::Runtime(message) => Failure::Runtime(fault + &message + &at + &hint),
    }
}

#[cfg(test)]
mod tests {
    use super::restarted_episodes;

    #[test]
    fn restarted_episodes_are_reported_if_there_are_any() {
        let line = |n| restarted_episodes(n).unwrap_or_default();
        assert_eq!(line(0), "");
        assert_eq!(
            line(1),
            "note: 1 environment cannot save its state: it begins a new episode"
        );
        assert_eq!(
            line(64),
            "note: 64 environments cannot save their state: they begin new episodes"
        );
    }
}
