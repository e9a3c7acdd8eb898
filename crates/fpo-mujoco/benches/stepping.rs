//! Stepping 256 cheetahs, against the bare loop over `mj_step` that it cannot beat.
//!
//! Both loops have one `mjData` for each environment, the same model, the same random controls and no resets. They are
//! measured on one and on two threads: by criterion (`elem/s` are env steps per second), and then in turns, which gives
//! a ratio that a noisy machine disturbs less.

use criterion::{Criterion, Throughput};
use fpo_env::Env;
use fpo_rng::{Key, Philox, Stream};
use mujoco_rs::mujoco_c as c;
use std::ffi::CString;
use std::hint::black_box;
use std::time::{Duration, Instant};

const ENVIRONMENTS: usize = 256;
const ACTIONS: usize = 6;
const OBSERVATIONS: usize = 17;
/// Actions drawn beforehand, used in turns.
const TABLE: usize = 1009;
/// Steps of every environment between two looks at the clock.
const STEPS: usize = 20;

/// A group of environments that one thread steps.
trait Loop: Send {
    /// Steps every environment once; `round` picks the actions.
    fn step(&mut self, actions: &[[f32; ACTIONS]], round: usize);
}

struct Ours {
    envs: Vec<Box<dyn Env>>,
    observations: Vec<f32>,
}

impl Ours {
    fn new(n: usize) -> Self {
        let task = fpo_mujoco::task("cheetah-run").expect("it is a task of the suite");
        let mut observations = vec![0.0; n * OBSERVATIONS];
        let envs = observations
            .chunks_exact_mut(OBSERVATIONS)
            .enumerate()
            .map(|(i, observation)| {
                let mut env = task.make().expect("its model compiles");
                env.reset(
                    &mut Philox::new(Key::new(0, Stream::Reset).index(i as u32)),
                    observation,
                );
                env
            });
        Self {
            envs: envs.collect(),
            observations,
        }
    }
}

impl Loop for Ours {
    fn step(&mut self, actions: &[[f32; ACTIONS]], round: usize) {
        let rows = self.observations.chunks_exact_mut(OBSERVATIONS);
        for (i, (env, observation)) in self.envs.iter_mut().zip(rows).enumerate() {
            black_box(env.step(&actions[(round + 7 * i) % TABLE], observation));
        }
    }
}

/// The compiled cheetah, by MuJoCo's own functions.
struct Model(*mut c::mjModel);

// SAFETY: nothing writes to it after it is made.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}

impl Model {
    fn new() -> Self {
        let mut vfs = c::mjVFS {
            impl_: std::ptr::null_mut(),
        };
        let mut message = [0; 1000];
        // SAFETY: an initialised table of files, NUL-terminated names, a buffer of the given length.
        unsafe {
            c::mj_defaultVFS(&raw mut vfs);
            for (name, text) in fpo_mujoco::suite::MODEL_FILES {
                let name = CString::new(*name).expect("no NUL");
                c::mj_addBufferVFS(
                    &raw mut vfs,
                    name.as_ptr(),
                    text.as_ptr().cast(),
                    text.len() as i32,
                );
            }
            let model = c::mj_loadXML(
                c"cheetah.xml".as_ptr(),
                &raw const vfs,
                message.as_mut_ptr(),
                1000,
            );
            c::mj_deleteVFS(&raw mut vfs);
            assert!(!model.is_null(), "the model compiles");
            Self(model)
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
        // SAFETY: a valid model. (The benchmark leaks the data.)
        let data = (0..n).map(|_| unsafe { c::mj_makeData(model.0) }).collect();
        Self { model, data }
    }
}

impl Loop for Bare<'_> {
    fn step(&mut self, actions: &[[f32; ACTIONS]], round: usize) {
        for (i, &data) in self.data.iter().enumerate() {
            let action = &actions[(round + 7 * i) % TABLE];
            // SAFETY: a valid model and its data, which has that many controls.
            unsafe {
                for (j, &action) in action.iter().enumerate() {
                    *(*data).ctrl.add(j) = f64::from(action);
                }
                c::mj_step(self.model.0, data);
            }
        }
    }
}

/// Groups of environments, one a thread, and the round they have come to.
struct Runner<L> {
    loops: Vec<L>,
    round: usize,
}

impl<L: Loop> Runner<L> {
    fn new(threads: usize, make: impl Fn(usize) -> L) -> Self {
        Self {
            loops: (0..threads).map(|_| make(ENVIRONMENTS / threads)).collect(),
            round: 0,
        }
    }

    /// Steps every environment `rounds` times.
    fn run(&mut self, actions: &[[f32; ACTIONS]], rounds: usize) -> Duration {
        let first = self.round;
        let steps = |group: &mut L| (first..first + rounds).for_each(|round| group.step(actions, round));
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

fn main() {
    let mut rng = Philox::new(Key::new(1, Stream::Test));
    let actions: Vec<[f32; ACTIONS]> = (0..TABLE)
        .map(|_| std::array::from_fn(|_| 2.0 * rng.unit() - 1.0))
        .collect();
    // The first environment installs the log handler; without it MuJoCo writes its warnings to a file.
    Ours::new(1);
    let model = Model::new();
    let mut criterion = Criterion::default().configure_from_args();
    let mut summary = Vec::new();
    for threads in [1, 2] {
        let mut ours = Runner::new(threads, Ours::new);
        let mut bare = Runner::new(threads, |n| Bare::new(&model, n));
        // From the reset until they flail about alike.
        ours.run(&actions, 300);
        bare.run(&actions, 500);

        let mut group = criterion.benchmark_group(format!("cheetah x{ENVIRONMENTS}, {threads} threads"));
        group
            .throughput(Throughput::Elements((ENVIRONMENTS * STEPS) as u64))
            .sample_size(20);
        group.bench_function("env.step", |b| b.iter(|| ours.run(&actions, STEPS)));
        group.bench_function("mj_step", |b| b.iter(|| bare.run(&actions, STEPS)));
        group.finish();

        let mut times: [Vec<Duration>; 2] = Default::default();
        for _ in 0..30 {
            times[0].push(ours.run(&actions, STEPS));
            times[1].push(bare.run(&actions, STEPS));
        }
        let rate = times.map(|mut times| {
            times.sort();
            (ENVIRONMENTS * STEPS) as f64 / times[times.len() / 2].as_secs_f64()
        });
        summary.push(format!(
            "{threads} threads, in turns: env.step {:.0} k/s, mj_step {:.0} k/s, ratio {:.3}",
            rate[0] / 1e3,
            rate[1] / 1e3,
            rate[0] / rate[1]
        ));
    }
    criterion.final_summary();
    println!("{}", summary.join("\n"));
}
