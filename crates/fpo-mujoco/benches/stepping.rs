//! Stepping many environments, compared with a bare loop over `mj_step`, which does nothing but
//! physics.
//!
//! Both loops have one `mjData` for each environment, the same model (the bare loop's as it is
//! compiled, ours trimmed), the same random controls and no resets. Every task is measured with 256
//! environments on one and on two threads: by criterion (`elem/s` are env steps per second), and
//! then alternating, which gives a ratio that is less sensitive to noise of the machine. The
//! cheetah is also measured, alternating, with 16 to 2048 environments on one thread, whose
//! simulations exceed the caches.

use criterion::{Criterion, Throughput};
use fpo_env::{Env, Task};
use fpo_rng::{Key, Philox, Stream};
use mujoco_rs::mujoco_c as c;
use std::ffi::CString;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Names and contents of files.
type Files = &'static [(&'static str, &'static str)];

/// Tasks, and the files of their models.
const CASES: [(&str, &str, Files); 4] = [
    ("cheetah-run", "cheetah.xml", fpo_mujoco::suite::MODEL_FILES),
    (
        "cartpole-balance",
        "cartpole.xml",
        fpo_mujoco::suite::MODEL_FILES,
    ),
    (
        "humanoid-walk",
        "humanoid.xml",
        fpo_mujoco::suite::MODEL_FILES,
    ),
    (
        "HalfCheetah-v5",
        "half_cheetah.xml",
        fpo_mujoco::gym::MODEL_FILES,
    ),
];
const ENVIRONMENTS: usize = 256;
/// Numbers of environments on one thread.
const SWEEP: [usize; 8] = [16, 32, 64, 128, 256, 512, 1024, 2048];
/// Precomputed rows of actions, used cyclically.
const TABLE: usize = 1009;
/// Physics steps per timing.
const PHYSICS_STEPS: usize = 10_240;
/// Physics steps until the environments are in typical states.
const WARM_UP: usize = 300;

/// Random actions of one size.
struct Actions {
    size: usize,
    values: Vec<f32>,
}

impl Actions {
    fn new(size: usize) -> Self {
        let mut rng = Philox::new(Key::new(1, Stream::Test));
        let values = (0..TABLE * size).map(|_| 2.0 * rng.unit() - 1.0).collect();
        Self { size, values }
    }

    /// The action of environment `i` in a round.
    fn at(&self, round: usize, i: usize) -> &[f32] {
        let row = (round + 7 * i) % TABLE;
        &self.values[row * self.size..][..self.size]
    }
}

/// A group of environments that one thread steps.
trait Loop: Send {
    /// Steps every environment once; `round` selects the actions.
    fn step(&mut self, actions: &Actions, round: usize);
}

struct Ours {
    envs: Vec<Box<dyn Env>>,
    observation: Vec<f32>,
}

impl Ours {
    fn new(task: &dyn Task, n: usize) -> Self {
        let mut observation = vec![0.0; task.spec().observation_dim()];
        let envs = (0..n).map(|i| {
            let mut env = task.make().expect("its model compiles");
            let key = Key::new(0, Stream::Reset).index(i as u32);
            env.reset(&mut Philox::new(key), &mut observation);
            env
        });
        Self {
            envs: envs.collect(),
            observation,
        }
    }
}

impl Loop for Ours {
    fn step(&mut self, actions: &Actions, round: usize) {
        for (i, env) in self.envs.iter_mut().enumerate() {
            black_box(env.step(actions.at(round, i), &mut self.observation));
        }
    }
}

/// A model compiled by MuJoCo's own functions.
struct Model {
    raw: *mut c::mjModel,
    /// Physics steps in a step.
    sub_steps: usize,
}

// SAFETY: it is never written after its creation.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

impl Model {
    fn new(file: &str, files: Files, control_timestep: f64) -> Self {
        let mut vfs = c::mjVFS {
            impl_: std::ptr::null_mut(),
        };
        let mut message = [0; 1000];
        let file = CString::new(file).expect("no NUL");
        // SAFETY: an initialized table of files, NUL-terminated names, a buffer of the given
        // length.
        unsafe {
            c::mj_defaultVFS(&raw mut vfs);
            for (name, text) in files {
                let name = CString::new(*name).expect("no NUL");
                c::mj_addBufferVFS(
                    &raw mut vfs,
                    name.as_ptr(),
                    text.as_ptr().cast(),
                    text.len() as i32,
                );
            }
            let raw = c::mj_loadXML(file.as_ptr(), &raw const vfs, message.as_mut_ptr(), 1000);
            c::mj_deleteVFS(&raw mut vfs);
            assert!(!raw.is_null(), "the model compiles");
            let sub_steps = (control_timestep / (*raw).opt.timestep).round() as usize;
            Self { raw, sub_steps }
        }
    }
}

struct Bare<'a> {
    model: &'a Model,
    data: Vec<*mut c::mjData>,
}

// SAFETY: the data are this loop's own, the model is constant.
unsafe impl Send for Bare<'_> {}

impl<'a> Bare<'a> {
    fn new(model: &'a Model, n: usize) -> Self {
        // SAFETY: a valid model.
        let data = (0..n)
            .map(|_| unsafe { c::mj_makeData(model.raw) })
            .collect();
        Self { model, data }
    }
}

impl Drop for Bare<'_> {
    fn drop(&mut self) {
        // SAFETY: made in `new`, deleted once.
        self.data
            .iter()
            .for_each(|&data| unsafe { c::mj_deleteData(data) });
    }
}

impl Loop for Bare<'_> {
    fn step(&mut self, actions: &Actions, round: usize) {
        for (i, &data) in self.data.iter().enumerate() {
            // SAFETY: a valid model and its data, which has as many controls as an action has
            // entries.
            unsafe {
                for (j, &action) in actions.at(round, i).iter().enumerate() {
                    *(*data).ctrl.add(j) = f64::from(action);
                }
                for _ in 0..self.model.sub_steps {
                    c::mj_step(self.model.raw, data);
                }
            }
        }
    }
}

/// Groups of environments, one per thread, and their current round.
struct Runner<L> {
    loops: Vec<L>,
    round: usize,
}

impl<L: Loop> Runner<L> {
    fn new(environments: usize, threads: usize, make: impl Fn(usize) -> L) -> Self {
        Self {
            loops: (0..threads).map(|_| make(environments / threads)).collect(),
            round: 0,
        }
    }

    /// Steps every environment `rounds` times.
    fn run(&mut self, actions: &Actions, rounds: usize) -> Duration {
        let first = self.round;
        let steps =
            |group: &mut L| (first..first + rounds).for_each(|round| group.step(actions, round));
        let start = Instant::now();
        match self.loops.as_mut_slice() {
            [group] => steps(group),
            groups => std::thread::scope(|scope| {
                for group in groups {
                    scope.spawn(|| steps(group));
                }
            }),
        }
        self.round += rounds;
        start.elapsed()
    }
}

/// Both loops of one task.
struct Pair<'a> {
    environments: usize,
    /// Steps of every environment per timing.
    rounds: usize,
    actions: &'a Actions,
    ours: Runner<Ours>,
    bare: Runner<Bare<'a>>,
}

impl<'a> Pair<'a> {
    fn new(
        task: &dyn Task,
        model: &'a Model,
        actions: &'a Actions,
        environments: usize,
        threads: usize,
    ) -> Self {
        let mut ours = Runner::new(environments, threads, |n| Ours::new(task, n));
        let mut bare = Runner::new(environments, threads, |n| Bare::new(model, n));
        let warm_up = WARM_UP.div_ceil(model.sub_steps);
        ours.run(actions, warm_up);
        bare.run(actions, warm_up);
        Self {
            environments,
            rounds: PHYSICS_STEPS.div_ceil(environments * model.sub_steps),
            actions,
            ours,
            bare,
        }
    }

    /// Env steps per second of both, by medians of alternating runs.
    fn in_turns(&mut self, turns: usize) -> String {
        let mut times: [Vec<Duration>; 2] = Default::default();
        for _ in 0..turns {
            times[0].push(self.ours.run(self.actions, self.rounds));
            times[1].push(self.bare.run(self.actions, self.rounds));
        }
        let [ours, bare] = times.map(|mut times| {
            times.sort();
            (self.environments * self.rounds) as f64 / times[times.len() / 2].as_secs_f64()
        });
        format!(
            "env.step {:6.1} k/s, mj_step {:6.1} k/s, ratio {:.3}",
            ours / 1e3,
            bare / 1e3,
            ours / bare
        )
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut summary = Vec::new();
    for (name, file, files) in CASES {
        let task = fpo_mujoco::task(name).expect("it is in the list");
        // The first environment installs the log handler; without it MuJoCo writes its warnings to
        // a file.
        Ours::new(task.as_ref(), 1);
        let model = Model::new(file, files, task.spec().control_timestep);
        let actions = Actions::new(task.spec().action_dim());
        for threads in [1, 2] {
            let mut pair = Pair::new(task.as_ref(), &model, &actions, ENVIRONMENTS, threads);
            let mut group =
                criterion.benchmark_group(format!("{name} x{ENVIRONMENTS}, {threads} threads"));
            group
                .throughput(Throughput::Elements((ENVIRONMENTS * pair.rounds) as u64))
                .measurement_time(Duration::from_secs(3))
                .sample_size(20);
            group.bench_function("env.step", |b| {
                b.iter(|| pair.ours.run(&actions, pair.rounds))
            });
            group.bench_function("mj_step", |b| {
                b.iter(|| pair.bare.run(&actions, pair.rounds))
            });
            group.finish();
            summary.push(format!(
                "{name:16} x{ENVIRONMENTS}, {threads} threads: {}",
                pair.in_turns(30)
            ));
        }
    }
    let (name, file, files) = CASES[0];
    let task = fpo_mujoco::task(name).expect("it is in the list");
    let model = Model::new(file, files, task.spec().control_timestep);
    let actions = Actions::new(task.spec().action_dim());
    for environments in SWEEP {
        let mut pair = Pair::new(task.as_ref(), &model, &actions, environments, 1);
        summary.push(format!(
            "{name:16} x{environments:<4}, 1 thread:  {}",
            pair.in_turns(15)
        ));
    }
    criterion.final_summary();
    println!("in turns:\n{}", summary.join("\n"));
}
