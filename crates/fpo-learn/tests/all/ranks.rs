//! Several trainers of one policy, each in a thread with its share of the environments: the bytes
//! of one.

use crate::asymmetric;
use crate::toy::Toy;
use fpo_env::{StepEnd, Task};
use fpo_learn::config::Config;
use fpo_learn::reduce::{Alone, Reduce, ThreadRank};
use fpo_learn::trainer::{Row, TrainError, Trainer, cpu_learner};
use fpo_run::config::resolve;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

fn config(more: &[&str]) -> Config {
    let sets = [
        "env.num_envs=18",
        "env.num_steps=64",
        "env.sequences=1",
        "policy.hidden=[16,16]",
        "critic.hidden=[16,16]",
        "optimizer.minibatches=2",
        "optimizer.epochs=2",
        "train.steps=10000",
    ];
    let sets: Vec<String> = sets.iter().chain(more).map(|s| s.to_string()).collect();
    resolve("toy", Some("fast"), None, &sets, Some(1)).unwrap()
}

fn trainer(config: &Config, reduce: Arc<dyn Reduce>) -> Result<Trainer, TrainError> {
    // Of the other one the critic sees what the policy does not, and it reports by name.
    let task: Arc<dyn Task> = match config.task.as_str() {
        "secret" => asymmetric::task(true, StepEnd::Truncated),
        _ => Arc::new(Toy::new(20)),
    };
    let learner = Box::new(cpu_learner(config, task.as_ref())?);
    Trainer::with_reduce(config, task, 1, learner, reduce)
}

/// Metrics and state after some iterations, begun from `state` if there is one.
fn run(
    config: &Config,
    reduce: Arc<dyn Reduce>,
    iterations: usize,
    state: Option<&[u8]>,
) -> (Vec<Row>, Vec<u8>) {
    let mut trainer = trainer(config, reduce).unwrap();
    if let Some(state) = state {
        trainer.load_state(state).unwrap();
    }
    let rows = (0..iterations).map(|_| trainer.iterate().unwrap().row);
    let rows = rows.collect();
    (rows, trainer.state().unwrap())
}

/// What each of several ranks makes of its number and the others.
fn on_ranks<T: Send>(ranks: usize, work: impl Fn(usize, Arc<dyn Reduce>) -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = ThreadRank::connect(ranks)
            .into_iter()
            .map(|rank| scope.spawn(move || work(rank.rank(), Arc::new(rank))))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

fn metric(row: &Row, name: &str) -> f64 {
    row.values.iter().find(|v| v.0 == name).unwrap().1
}

/// Metrics that are not of the clock, to the bit.
fn bits(rows: &[Row]) -> Vec<Vec<(&'static str, u64)>> {
    let bits = |row: &Row| {
        row.values
            .iter()
            .map(|(name, x)| (*name, x.to_bits()))
            .collect()
    };
    rows.iter().map(bits).collect()
}

const SETTINGS: [&[&str]; 9] = [
    &[],
    // Advantages per minibatch, over whole sequences; none normalized over a minibatch.
    &[
        "advantage.recompute=per_minibatch",
        "env.num_steps=16",
        "env.sequences=4",
    ],
    &["advantage.normalize=batch", "objective.knn_entropy=0.01"],
    // Epochs end early.
    &[
        "optimizer.max_kl=2e-5",
        "optimizer.target_kl=2e-6",
        "optimizer.learning_rate=2e-2",
        "optimizer.epochs=4",
    ],
    &[
        "objective.method=ppo",
        "objective.entropy=0.01",
        "optimizer.max_grad_norm=0.1",
    ],
    &["objective.method=dppo", "train.ema_decay=0.5"],
    &[
        "objective.method=qfm",
        "optimizer.max_kl=0",
        "critic.head=hl_gauss",
    ],
    &["objective.method=awfm"],
    // Fewer groups than some runs have ranks, and fewer parts of a minibatch.
    &["env.num_envs=3", "policy.action_noise=0.1"],
];

#[test]
fn ranks_have_the_bytes_of_one_process() {
    for sets in SETTINGS {
        let config = config(sets);
        let (rows, state) = run(&config, Arc::new(Alone), 3, None);
        // The setting that ends epochs early does.
        let full = 2.0 * config.optimizer.epochs as f64;
        let ends_early = rows.iter().any(|row| metric(row, "gradient_steps") < full);
        assert_eq!(ends_early, config.optimizer.target_kl > 0.0, "{sets:?}");
        for ranks in [1, 2, 4] {
            let each = on_ranks(ranks, |_, reduce| run(&config, reduce, 3, None));
            for (rank, (r, s)) in each.into_iter().enumerate() {
                let what = format!("{sets:?}, rank {rank} of {ranks}");
                assert_eq!(bits(&r), bits(&rows), "{what}");
                assert!(s == state, "{what}");
            }
        }
    }
}

#[test]
fn ranks_share_what_only_the_critic_sees_and_what_tasks_report() {
    let config = Config {
        task: "secret".into(),
        ..config(&[])
    };
    let (rows, state) = run(&config, Arc::new(Alone), 3, None);
    assert_eq!(rows[0].extras[0].0, "reward/number");
    for (r, s) in on_ranks(3, |_, reduce| run(&config, reduce, 3, None)) {
        assert_eq!(bits(&r), bits(&rows));
        assert!(
            r.iter()
                .map(|row| &row.extras)
                .eq(rows.iter().map(|row| &row.extras))
        );
        assert!(s == state);
    }
}

/// 20 episodes are three groups of eight: some ranks have none.
#[test]
fn ranks_share_an_evaluation() {
    let config = config(&["eval.episodes=20"]);
    let evaluate = |reduce: Arc<dyn Reduce>, stop| {
        let mut trainer = trainer(&config, reduce).unwrap();
        trainer.iterate().unwrap();
        trainer.evaluate_until(&AtomicBool::new(stop)).unwrap()
    };
    let alone = evaluate(Arc::new(Alone), false);
    assert_eq!(alone.as_ref().unwrap().zero_noise.each.len(), 20);
    for ranks in [2, 5] {
        for evaluation in on_ranks(ranks, |_, reduce| evaluate(reduce, false)) {
            assert_eq!(evaluation, alone);
        }
        // A stop on one of them, if it has any, is one on all.
        let stopped = on_ranks(ranks, |rank, reduce| evaluate(reduce, rank == 1));
        assert!(stopped.iter().all(Option::is_none), "{ranks}");
    }
}

/// Each rank's own parts are added up first, so only two parts in all have the sums of one process.
#[test]
fn the_fast_sum_is_the_same_on_all_ranks() {
    let config = config(&["train.reduction=fast"]);
    let (rows, state) = run(&config, Arc::new(Alone), 3, None);
    let each = on_ranks(3, |_, reduce| run(&config, reduce, 3, None));
    for (r, s) in &each {
        assert!(*s == each[0].1);
        let (a, b) = (
            metric(&r[2], "policy_loss"),
            metric(&rows[2], "policy_loss"),
        );
        assert!((a - b).abs() < 1e-3 * b.abs().max(1e-3), "{a}, {b}");
    }
    assert_eq!(state.len(), each[0].1.len());
}

/// A state has no ranks: any number of them goes on from it.
#[test]
fn a_run_goes_on_with_another_number_of_ranks() {
    let config = config(&[]);
    let (_, half) = on_ranks(3, |_, reduce| run(&config, reduce, 2, None)).remove(1);
    let (rows, state) = run(&config, Arc::new(Alone), 2, Some(&half));
    for (r, s) in on_ranks(2, |_, reduce| run(&config, reduce, 2, Some(&half))) {
        assert_eq!(bits(&r), bits(&rows));
        assert!(s == state);
    }
    // More or fewer environments than it has are refused, whoever they belong to.
    for envs in ["env.num_envs=17", "env.num_envs=19"] {
        let config = self::config(&[envs]);
        let load = |reduce| trainer(&config, reduce)?.load_state(&half);
        for error in on_ranks(2, |_, reduce| load(reduce).unwrap_err()) {
            assert!(error.to_string().contains("environment"), "{error}");
        }
    }
}

#[test]
fn a_rank_whose_others_are_gone_or_different_says_so() {
    let settings = config(&[]);
    let left = on_ranks(2, |rank, reduce| {
        let mut trainer = trainer(&settings, reduce).unwrap();
        (rank == 0).then(|| trainer.iterate().unwrap_err())
    });
    let message = left[0].as_ref().unwrap().to_string();
    assert!(message.contains("a thread has ended"), "{message}");

    for error in on_ranks(2, |rank, reduce| {
        let lr = format!("optimizer.learning_rate=1e-{}", 3 + rank);
        trainer(&config(&[&lr]), reduce).err().unwrap()
    }) {
        assert!(error.to_string().contains("other settings"), "{error}");
    }
}
