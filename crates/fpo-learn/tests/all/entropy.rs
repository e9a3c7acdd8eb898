//! The entropy bonus of a flow: on a one-dimensional bandit with two reward peaks, the policy
//! covers more than the peaks.

use fpo_learn::trainer::Trainer;
use fpo_run::config::resolve;

const BANDIT: &str = "bandit-two_modes";

/// The policy's entropy, estimated in the last iteration of a short run.
fn entropy(weight: &str) -> f64 {
    let sets = [
        "env.num_steps=8",
        "optimizer.minibatches=4",
        "optimizer.learning_rate=2e-3",
        "objective.knn_samples=4",
        "train.steps=60000",
        weight,
    ];
    let config = resolve(
        BANDIT,
        Some("fast"),
        None,
        &sets.map(str::to_owned),
        Some(0),
    )
    .unwrap();
    let mut tasks = fpo_env::tasks().into_iter();
    let task = tasks.find(|task| task.spec().name == BANDIT).unwrap();
    let mut trainer = Trainer::new(&config, task, 2).unwrap();
    let mut last = None;
    while trainer.iteration() < trainer.total_iterations() {
        last = Some(trainer.iterate().unwrap().row);
    }
    let values = last.unwrap().values;
    values
        .iter()
        .find(|(name, _)| *name == "entropy")
        .unwrap()
        .1
}

#[test]
fn a_knn_entropy_bonus_keeps_a_flow_wide() {
    let without = entropy("objective.knn_entropy=1e-9");
    let with = entropy("objective.knn_entropy=1");
    println!("{without} nats without, {with} with");
    assert!(with > without + 0.2, "{without} without, {with} with");
}
