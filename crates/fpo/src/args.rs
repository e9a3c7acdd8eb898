//! The arguments of the command line.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Parser, Subcommand, ValueEnum};
use fpo_learn::evaluate::Noise;
use fpo_onnx::NoiseInput;
use fpo_run::run::Pick;
use std::ffi::OsString;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Train flow-matching policies from rewards.
#[derive(Debug, Parser)]
#[command(name = "fpo", version, styles = STYLES, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the tasks
    Tasks(Tasks),
    /// Try out a task file: load it, step it, print its terms and its rate
    Check(Check),
    /// Train a policy
    Train(Train),
    /// Evaluate a policy, from zero noise and from random noise
    Eval(Eval),
    /// Film a policy
    Play(Play),
    /// Write a policy as a file for other programs
    Export(Export),
    /// Inspect a policy
    Policy(Policy),
    /// Re-run the iteration that failed
    Reproduce(Reproduce),
    /// Check whether a run is healthy, and give advice if not
    Doctor(Doctor),
    /// Inspect a policy of a GridWorld task
    Gridworld(Gridworld),
    /// Train a grid of methods, tasks and seeds, and compare them
    Bench(Bench),
    /// Write one HTML page about a run or a benchmark
    Report(Report),
    /// Show a run in the browser, also while it trains
    View(View),
    /// What several processes have between them, and what a training gains by them
    Cluster(Cluster),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Tasks {
    /// Only these: names, or paths of task files
    pub(crate) tasks: Vec<OsString>,
    /// Print what is observed, acted, rewarded, and how an episode begins and ends
    #[arg(long, requires = "tasks", conflicts_with = "json")]
    pub(crate) explain: bool,
    /// Print all details as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The task file, or the name of a task
    pub(crate) task: OsString,
    /// Seed of initial states and random actions
    #[arg(
        long,
        default_value_t = 0,
        value_parser = whole::<u64>(0..=u64::MAX),
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// How long to measure its rate, in seconds
    #[arg(long, default_value_t = 2.0, value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) seconds: f64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Cluster {
    #[command(subcommand)]
    pub(crate) command: ClusterCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Print the ranks, the latency and bandwidth between them, and how a training would scale;
    /// start it with mpirun or srun, or alone for networks that are assumed
    Check(ClusterCheck),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ClusterCheck {
    /// Task to forecast for
    #[arg(default_value = "cheetah-run")]
    pub(crate) task: OsString,
    /// Base settings [default: fast]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// One setting, which overrides the preset: --set optimizer.epochs=4 (may be repeated)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Threads of a rank
    #[arg(long, default_value_t = 1, value_parser = whole::<u16>(1..=1024))]
    pub(crate) threads: u16,
    /// Iterations to measure; the median counts
    #[arg(long, default_value_t = 5, value_parser = whole::<u32>(1..=1000))]
    pub(crate) iterations: u32,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Train {
    /// Task to learn (`fpo tasks` lists them), or the path of a task file (my_robot.toml); not
    /// needed to resume a folder
    pub(crate) task: Option<OsString>,
    /// Base settings: fast (best return per minute on a CPU) or paper (as published); ppo-fast and
    /// ppo are the same with Gaussian PPO, dppo-fast and dppo with DPPO; qfm-fast and reppo-fast
    /// follow the gradient of a critic of actions [default: fast]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// TOML file of settings, which override the preset
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, which overrides preset and file: --set optimizer.epochs=4 (may be repeated; of
    /// one setting the last counts)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Seed of every random number of the run [default: 0]
    #[arg(long, value_parser = whole::<u64>(0..=u64::MAX), allow_negative_numbers = true)]
    pub(crate) seed: Option<u64>,
    /// Number format for training, short for --set train.precision=... [default: auto, which is
    /// bf16 on processors with AMX; when resuming, that of the run]
    #[arg(long, value_enum)]
    pub(crate) precision: Option<PrecisionArg>,
    /// Threads to use; the result is the same with any number [default: all cores]
    #[arg(long, value_parser = whole::<u16>(1..=1024), allow_negative_numbers = true)]
    pub(crate) threads: Option<u16>,
    /// Seconds after which a training in several processes (mpirun, srun) ends because one of them
    /// does not answer
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 600.0,
        value_parser = seconds,
        allow_negative_numbers = true
    )]
    pub(crate) rank_timeout: f64,
    /// Train alone, though started as one of several processes: each is a run of its own and needs
    /// its own --seed or --name
    #[arg(long)]
    pub(crate) independent: bool,
    /// Folder in which run folders are created [default: runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Name of the run's folder [default: TASK-PRESET-seedN, with
    /// the method's where it is not the preset's]
    #[arg(long)]
    pub(crate) name: Option<PathBuf>,
    /// Begin the run, continue it if it was interrupted, or do nothing if it is complete: one
    /// command for a scheduler to repeat
    #[arg(long, conflicts_with_all = ["resume", "force"])]
    pub(crate) resume_or_start: bool,
    /// Resume the run in DIR, or in the folder that a new run would get; --set train.steps=N
    /// extends it
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    pub(crate) resume: Option<Option<PathBuf>>,
    /// Begin with the networks and the normalizer of PATH, a run's folder, a checkpoint's folder or
    /// a policy file, instead of random ones; short for --set init.from=PATH
    #[arg(long, value_name = "PATH", conflicts_with = "resume")]
    pub(crate) init_from: Option<PathBuf>,
    /// Delete the existing run in the folder and start over
    #[arg(long, conflicts_with = "resume")]
    pub(crate) force: bool,
    /// Print every setting with its documentation and its value, as a TOML file for --config
    #[arg(long, conflicts_with_all = ["resume", "resume_or_start", "force"])]
    pub(crate) help_config: bool,
}

// A policy, as every command takes it that uses one. (As a doc comment this would be the help of
// the command.)
#[derive(Debug, clap::Args)]
pub(crate) struct PolicyArgs {
    /// A run's folder, its checkpoints, one of them, or a policy file
    pub(crate) policy: PathBuf,
    /// Which checkpoint of a run: latest, best, or a number of environment steps [default: latest]
    #[arg(long, value_parser = pick, allow_negative_numbers = true)]
    pub(crate) checkpoint: Option<Pick>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Eval {
    #[command(flatten)]
    pub(crate) of: PolicyArgs,
    /// The task file, if the policy was trained on one and is not in its run's folder
    #[arg(long, value_name = "FILE")]
    pub(crate) task: Option<PathBuf>,
    /// Episodes for each kind of noise
    #[arg(
        long,
        default_value_t = 64,
        value_parser = whole::<u32>(1..=1_000_000),
        allow_negative_numbers = true
    )]
    pub(crate) episodes: u32,
    /// Seed of initial states and noise; the run's own seed repeats the episodes from which its
    /// best checkpoint was chosen
    #[arg(
        long,
        default_value_t = 1000,
        value_parser = whole::<u64>(0..=u64::MAX),
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Threads to use; the result is the same with any number [default: all cores]
    #[arg(long, value_parser = whole::<u16>(1..=1024), allow_negative_numbers = true)]
    pub(crate) threads: Option<u16>,
    /// Print the result as JSON, with every episode
    #[arg(long)]
    pub(crate) json: bool,
    /// Write every episode to a file of comma-separated values
    #[arg(long, value_name = "FILE")]
    pub(crate) csv: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Play {
    #[command(flatten)]
    pub(crate) of: PolicyArgs,
    /// The task file, if the policy was trained on one and is not in its run's folder
    #[arg(long, value_name = "FILE")]
    pub(crate) task: Option<PathBuf>,
    /// The film, .mp4 or .gif [default: video.mp4 in the run's folder, or here]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Length of the film in seconds of simulated time, over as many episodes as it takes
    #[arg(long, default_value_t = 10.0, value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) seconds: f64,
    /// Width in pixels
    #[arg(
        long,
        default_value_t = 640,
        value_parser = whole::<u32>(1..=8192),
        allow_negative_numbers = true
    )]
    pub(crate) width: u32,
    /// Height in pixels
    #[arg(
        long,
        default_value_t = 480,
        value_parser = whole::<u32>(1..=8192),
        allow_negative_numbers = true
    )]
    pub(crate) height: u32,
    /// Seed of initial states and noise
    #[arg(
        long,
        default_value_t = 0,
        value_parser = whole::<u64>(0..=u64::MAX),
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Noise from which actions are sampled
    #[arg(long, value_enum, default_value_t = NoiseArg::Zero)]
    pub(crate) noise: NoiseArg,
    /// The camera: its name or its number, from 0 [default: the one that suits the task]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) camera: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) of: PolicyArgs,
    /// As an ONNX file
    #[arg(long, required = true)]
    pub(crate) onnx: bool,
    /// The file [default: policy.onnx in the run's folder, or here]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Where the file's program gets the noise of an action from
    #[arg(long, value_enum, default_value_t = ExportNoiseArg::Input)]
    pub(crate) noise: ExportNoiseArg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Policy {
    #[command(subcommand)]
    pub(crate) command: PolicyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Print what it holds: task, sizes, network, sampler, normalizer, action range
    Show(PolicyShow),
}

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyShow {
    #[command(flatten)]
    pub(crate) of: PolicyArgs,
    /// Print it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Reproduce {
    /// The folder of a run that ended because a number became non-finite
    pub(crate) run: PathBuf,
    /// Threads to use; the result is the same with any number [default: all cores]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// A run's folder; the run may be in progress
    pub(crate) run: PathBuf,
    /// Print the findings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Gridworld {
    #[command(subcommand)]
    pub(crate) command: GridworldCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GridworldCommand {
    /// Draw its actions in many cells, walks from some, and its actions at the fork
    Plot(GridworldPlot),
}

#[derive(Debug, clap::Args)]
pub(crate) struct GridworldPlot {
    #[command(flatten)]
    pub(crate) of: PolicyArgs,
    /// The picture, .svg or .png [default: gridworld.svg and gridworld.png in the run's folder, or
    /// here]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Seed of the noise from which actions are sampled
    #[arg(
        long,
        default_value_t = 0,
        value_parser = whole::<u64>(0..=u64::MAX),
        allow_negative_numbers = true
    )]
    pub(crate) seed: u64,
    /// Print the drawn data as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// A built-in suite (ablations, dmc10, dmc14, gridworld, q_gradients), or a TOML file that
    /// describes one
    pub(crate) suite: PathBuf,
    /// Folder in which the suite's folder is created
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) out: PathBuf,
    /// Runs in parallel, one thread each [default: all cores]
    #[arg(long, value_parser = whole::<u16>(1..=1024), allow_negative_numbers = true)]
    pub(crate) jobs: Option<u16>,
    /// Seeds to run instead of the suite's: --seeds 0,1,2
    #[arg(
        long,
        value_name = "SEEDS",
        value_delimiter = ',',
        value_parser = whole::<u64>(0..=u64::MAX),
        allow_negative_numbers = true
    )]
    pub(crate) seeds: Vec<u64>,
    /// Only these tasks of the suite, separated by commas
    #[arg(long, value_name = "TASKS", value_delimiter = ',')]
    pub(crate) tasks: Vec<String>,
    /// Only these methods of the suite, separated by commas
    #[arg(long, value_name = "METHODS", value_delimiter = ',')]
    pub(crate) methods: Vec<String>,
    /// Run existing runs again
    #[arg(long, conflicts_with_all = ["list", "report_only"])]
    pub(crate) force: bool,
    /// Print the progress of every run, and run nothing
    #[arg(long, conflicts_with = "report_only")]
    pub(crate) list: bool,
    /// Run nothing; write tables and plots of the existing runs
    #[arg(long)]
    pub(crate) report_only: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Report {
    /// The folder of a run or of a benchmark; or several runs, or a folder of runs, whose seeds are
    /// put together
    #[arg(required = true, value_name = "FOLDER")]
    pub(crate) folders: Vec<PathBuf>,
    /// The page [default: report.html in the folder; of several folders, here]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct View {
    /// The folder of a run, which may be in progress, or a folder of runs
    pub(crate) run: PathBuf,
    /// Port to listen at; 0 is any free one [default: the first free one from 8420 on]
    #[arg(
        long,
        value_name = "N",
        value_parser = whole::<u16>(0..=65535),
        allow_negative_numbers = true
    )]
    pub(crate) port: Option<u16>,
    /// Print the address and open no browser
    #[arg(long)]
    pub(crate) no_open: bool,
    /// Address to listen at; with any but a loopback one, others can read the runs
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) host: IpAddr,
}

/// Noise from which actions are sampled.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum NoiseArg {
    /// Zero: the deterministic action
    Zero,
    /// Random noise: a sample, as in training
    Random,
}

impl From<NoiseArg> for Noise {
    fn from(noise: NoiseArg) -> Self {
        match noise {
            NoiseArg::Zero => Self::Zero,
            NoiseArg::Random => Self::Random,
        }
    }
}

/// Noise of an exported policy.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ExportNoiseArg {
    /// It is a second input, besides the observation
    Input,
    /// There is none: the file gives the deterministic action, that of zero noise
    Zero,
}

impl From<ExportNoiseArg> for NoiseInput {
    fn from(noise: ExportNoiseArg) -> Self {
        match noise {
            ExportNoiseArg::Input => Self::Input,
            ExportNoiseArg::Zero => Self::Zero,
        }
    }
}

/// Number format for training.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PrecisionArg {
    /// The fastest that this machine supports
    Auto,
    /// Single precision
    F32,
    /// bfloat16 matrix products in the critic and in the policy's gradient
    Bf16,
}

impl PrecisionArg {
    /// The value of the setting `train.precision`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

/// Parses a whole number in `range`; the error gives the range.
fn whole<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number: u64| T::try_from(number).ok());
        number.ok_or_else(|| {
            format!(
                "it is not a whole number from {} to {}",
                range.start(),
                range.end()
            )
        })
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|x| *x > 0.0 && *x <= 86_400.0);
    number.ok_or_else(|| "it is not a number above 0, at most 86400".to_owned())
}

fn pick(text: &str) -> Result<Pick, String> {
    match text {
        "latest" => Ok(Pick::Latest),
        "best" => Ok(Pick::Best),
        // Also as its folder is called.
        step => step
            .strip_prefix("step-")
            .unwrap_or(step)
            .parse()
            .map(Pick::Step)
            .map_err(|_| "it is `latest`, `best` or a number of environment steps".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Args as clap::CommandFactory>::command().debug_assert();
    }
}
