//! Tasks of the suite written as task files, compared with the suite's: both step 256 environments
//! on one thread with the same random actions, in turns, and the ratio of their rates is the median
//! over the turns, which is less sensitive to noise of the machine.
//!
//! `cargo bench -p fpo-mujoco --bench task_files`

use fpo_env::{Env, Extras, Task};
use fpo_mujoco::task_file::FileTask;
use fpo_rng::{Key, Philox, Stream};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const TASKS: [&str; 2] = ["cheetah-run", "walker-walk"];
const ENVIRONMENTS: usize = 256;
const TURNS: usize = 401;
/// Steps of each environment in a turn, which is shorter than what the system lets a process run.
const ROUNDS: [usize; 2] = [4, 1];

struct Group {
    envs: Vec<Box<dyn Env>>,
    observation: Vec<f32>,
    extras: Extras,
}

impl Group {
    fn new(task: &dyn Task) -> Self {
        let mut observation = vec![0.0; task.spec().observation_dim()];
        let envs = (0..ENVIRONMENTS).map(|i| {
            let mut env = task.make().expect("its model compiles");
            let key = Key::new(0, Stream::Reset).index(i as u32);
            env.reset(&mut Philox::new(key), &mut observation);
            env
        });
        Self {
            envs: envs.collect(),
            observation,
            extras: Extras::default(),
        }
    }

    /// Steps per second over some rounds, with what a training asks for.
    fn rate(&mut self, rounds: usize, seed: u64) -> f64 {
        let dim = self.envs[0].spec().action_dim();
        let mut rng = Philox::new(Key::new(seed, Stream::Test));
        let actions: Vec<f32> = (0..dim * 1009).map(|_| 2.0 * rng.unit() - 1.0).collect();
        let begun = Instant::now();
        for round in 0..rounds {
            for (i, env) in self.envs.iter_mut().enumerate() {
                let row = (round + 7 * i) % 1009;
                let action = &actions[row * dim..][..dim];
                black_box(env.step(action, &mut self.observation));
                env.extras(&mut self.extras);
            }
        }
        (rounds * ENVIRONMENTS) as f64 / begun.elapsed().as_secs_f64()
    }
}

fn main() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tasks");
    for (name, rounds) in TASKS.into_iter().zip(ROUNDS) {
        let suite = fpo_mujoco::task(name).expect("it is a task of the suite");
        let file = FileTask::load(&examples.join(format!("{name}.toml"))).expect("it loads");
        let mut groups = [Group::new(suite.as_ref()), Group::new(&file)];
        let mut ratios = Vec::new();
        let mut best = [0.0_f64; 2];
        for turn in 0..TURNS {
            // The first of a turn alternates.
            let mut rates = [0.0; 2];
            for i in [turn % 2, 1 - turn % 2] {
                rates[i] = groups[i].rate(rounds, turn as u64);
                best[i] = best[i].max(rates[i]);
            }
            ratios.push(rates[1] / rates[0]);
        }
        ratios.sort_by(f64::total_cmp);
        let [suite, file] = best;
        println!(
            "{name}: best {suite:.0} steps/s built in, {file:.0} from the file; median ratio \
             {:.3}, quartiles {:.3} and {:.3}",
            ratios[TURNS / 2],
            ratios[TURNS / 4],
            ratios[3 * TURNS / 4]
        );
    }
}
